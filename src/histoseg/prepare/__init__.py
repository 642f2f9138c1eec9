"""Public sets and foreign annotations, turned into the one stored layout."""

from histoseg.prepare.archive import Archive as Archive
from histoseg.prepare.check_item import check_item as check_item
from histoseg.prepare.conic import CoNIC as CoNIC
from histoseg.prepare.convert import convert as convert
from histoseg.prepare.convert import problems as problems
from histoseg.prepare.convert import summary as summary
from histoseg.prepare.convert import twins as twins
from histoseg.prepare.download import fetch as fetch
from histoseg.prepare.either import Either as Either
from histoseg.prepare.endonuke import EndoNuke as EndoNuke
from histoseg.prepare.item import Item as Item
from histoseg.prepare.item import RawItem as RawItem
from histoseg.prepare.item import Source as Source
from histoseg.prepare.item_files import item_row as item_row
from histoseg.prepare.layout import Facts as Facts
from histoseg.prepare.layout import Store as Store
from histoseg.prepare.lizard import Lizard as Lizard
from histoseg.prepare.mat_folders import MatFolders as MatFolders
from histoseg.prepare.monusac import MoNuSAC as MoNuSAC
from histoseg.prepare.monuseg import MoNuSeg as MoNuSeg
from histoseg.prepare.nucls import NuCLS as NuCLS
from histoseg.prepare.nucls_joined import NuCLSJoined as NuCLSJoined
from histoseg.prepare.nuinsseg import NuInsSeg as NuInsSeg
from histoseg.prepare.obtain import obtain as obtain
from histoseg.prepare.tnbc import TNBC as TNBC
