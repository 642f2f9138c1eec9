"""Annotated tiles and images, as records and samples; no training targets."""

from histoseg.data.augment import Augment as Augment
from histoseg.data.centre import CentreTile as CentreTile
from histoseg.data.datamodule import TileDataModule as TileDataModule
from histoseg.data.deepliif_strips import DeepLIIFStrips as DeepLIIFStrips
from histoseg.data.draws import Draws as Draws
from histoseg.data.dsb2018 import DSB2018 as DSB2018
from histoseg.data.folder import NucleiFolder as NucleiFolder
from histoseg.data.pannuke import PanNuke as PanNuke
from histoseg.data.patches import Patches as Patches
from histoseg.data.percentiles import PercentileNormaliser as PercentileNormaliser
from histoseg.data.prepared import PreparedNuclei as PreparedNuclei
from histoseg.data.prepared_points import PreparedPoints as PreparedPoints
from histoseg.data.sample import to_sample as to_sample
from histoseg.data.sampling import Sampling as Sampling
from histoseg.data.scribble_tile import ScribbleTile as ScribbleTile
from histoseg.data.stain_jitter import HEDJitter as HEDJitter
from histoseg.data.stain_normaliser import StainNormaliser as StainNormaliser
from histoseg.data.stain_transfer import StainTransfer as StainTransfer
from histoseg.data.symmetry import Symmetry as Symmetry
from histoseg.data.synthetic import SyntheticTissue as SyntheticTissue
from histoseg.data.synthetic_scribbles import SyntheticScribbles as SyntheticScribbles
from histoseg.data.synthetic_stains import SyntheticStains as SyntheticStains
from histoseg.data.tile import RandomTile as RandomTile
from histoseg.data.tile import centre_tile as centre_tile
