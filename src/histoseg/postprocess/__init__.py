from histoseg.postprocess.deepliif_cells import DeepLIIFCells as DeepLIIFCells
from histoseg.postprocess.deepliif_cells import FoundCells as FoundCells
from histoseg.postprocess.deepliif_thresholds import CellCalls as CellCalls
from histoseg.postprocess.hover import HoverWatershed as HoverWatershed
from histoseg.postprocess.neg_to_pos import NegToPos as NegToPos
from histoseg.postprocess.neg_to_pos import Recoloured as Recoloured
from histoseg.postprocess.neg_to_pos import draws_of as draws_of
from histoseg.postprocess.probability import ProbabilityObjects as ProbabilityObjects
