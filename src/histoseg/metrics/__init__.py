from histoseg.metrics.class_scores import ClassScores as ClassScores
from histoseg.metrics.ignored import without_ignored as without_ignored
from histoseg.metrics.ihc_scores import IHCScores as IHCScores
from histoseg.metrics.instance_scores import InstanceScores as InstanceScores
from histoseg.metrics.point_scores import PointScores as PointScores
