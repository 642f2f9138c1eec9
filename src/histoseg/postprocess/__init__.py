from histoseg.postprocess.deepliif_cells import DeepLIIFCells as DeepLIIFCells
from histoseg.postprocess.deepliif_cells import FoundCells as FoundCells
from histoseg.postprocess.deepliif_thresholds import CellCalls as CellCalls
from histoseg.postprocess.hover import HoverWatershed as HoverWatershed
