"""Public sets and foreign annotations, turned into the one stored layout."""

from histoseg.prepare.conic import CoNIC as CoNIC
from histoseg.prepare.endonuke import EndoNuke as EndoNuke
from histoseg.prepare.item import Item as Item
from histoseg.prepare.item import RawItem as RawItem
from histoseg.prepare.item import Source as Source
from histoseg.prepare.layout import Facts as Facts
from histoseg.prepare.layout import Store as Store
from histoseg.prepare.lizard import Lizard as Lizard
from histoseg.prepare.monusac import MoNuSAC as MoNuSAC
from histoseg.prepare.nucls import NuCLS as NuCLS
from histoseg.prepare.nucls_joined import NuCLSJoined as NuCLSJoined
from histoseg.prepare.nuinsseg import NuInsSeg as NuInsSeg
