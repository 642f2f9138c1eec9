"""What happens around training and testing."""

from histoseg.callbacks.ema import EMA as EMA
from histoseg.callbacks.image_panel import ImagePanel as ImagePanel
from histoseg.callbacks.last_checkpoint import LastCheckpoint as LastCheckpoint
from histoseg.callbacks.per_image_scores import PerImageScores as PerImageScores
from histoseg.callbacks.range_test import RangeTest as RangeTest
