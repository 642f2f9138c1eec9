"""Public sets and foreign annotations, turned into the one stored layout."""

from histoseg.prepare.archive import Archive as Archive
from histoseg.prepare.check_item import check_item as check_item
from histoseg.prepare.convert import convert as convert
from histoseg.prepare.convert import problems as problems
from histoseg.prepare.convert import summary as summary
from histoseg.prepare.convert import twins as twins
from histoseg.prepare.download import fetch as fetch
from histoseg.prepare.either import Either as Either
from histoseg.prepare.item import Item as Item
from histoseg.prepare.item import RawItem as RawItem
from histoseg.prepare.item import Source as Source
from histoseg.prepare.item_files import item_row as item_row
from histoseg.prepare.layout import Facts as Facts
from histoseg.prepare.layout import Store as Store
from histoseg.prepare.mat_folders import MatFolders as MatFolders
from histoseg.prepare.monuseg import MoNuSeg as MoNuSeg
from histoseg.prepare.obtain import obtain as obtain
from histoseg.prepare.pannuke import PanNuke as PanNuke
from histoseg.prepare.tile_arrays import TileArrays as TileArrays
from histoseg.prepare.tnbc import TNBC as TNBC
