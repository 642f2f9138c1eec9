"""Public sets and foreign annotations, turned into the one stored layout."""

from histoseg.prepare.item import Item as Item
from histoseg.prepare.item import RawItem as RawItem
from histoseg.prepare.item import Source as Source
from histoseg.prepare.layout import Facts as Facts
from histoseg.prepare.layout import Store as Store
from histoseg.prepare.pannuke import PanNuke as PanNuke
from histoseg.prepare.tile_arrays import TileArrays as TileArrays
