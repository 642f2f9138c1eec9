"""Annotated tiles and slides, as records and samples; no training targets."""

from histoseg.data.synthetic import SyntheticTissue as SyntheticTissue
from histoseg.data.synthetic import synthetic_tissue as synthetic_tissue
from histoseg.data.augment import Augment
from histoseg.data.dsb2018 import DSB2018
from histoseg.data.folder import NucleiFolder
from histoseg.data.pannuke import PanNuke
from histoseg.data.sample import to_sample
from histoseg.data.splits import load_splits, make_splits, save_splits
from histoseg.data.stain_jitter import HEDJitter
from histoseg.data.tile import RandomTile, centre_tile
