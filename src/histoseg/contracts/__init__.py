"""The nouns that cross rooms: what a data set gives, a model takes, and a writer receives.

Read this room first. Arrays are indexed [y, x], points are (x, y), sizes are (height, width),
tensors are (B, C, H, W). A class k (1..K) is ``classes[k - 1]``; 0 is background everywhere.
"""

from histoseg.contracts.instances import Instances as Instances
from histoseg.contracts.instances import LabelPart as LabelPart
from histoseg.contracts.instances import Nuclei as Nuclei
from histoseg.contracts.instances import StainPart as StainPart
from histoseg.contracts.predictions import Predicted as Predicted
from histoseg.contracts.predictions import Prediction as Prediction
from histoseg.contracts.predictions import SlidePrediction as SlidePrediction
from histoseg.contracts.samples import Array as Array
from histoseg.contracts.samples import Maps as Maps
from histoseg.contracts.samples import Place as Place
from histoseg.contracts.samples import Record as Record
from histoseg.contracts.samples import Sample as Sample
from histoseg.contracts.scores import Difference as Difference
from histoseg.contracts.scores import Report as Report
from histoseg.contracts.scores import Score as Score
from histoseg.contracts.tasks import BACKGROUND as BACKGROUND
from histoseg.contracts.tasks import Plane as Plane
from histoseg.contracts.tasks import planes_of as planes_of
