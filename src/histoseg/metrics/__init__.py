from histoseg.metrics.class_scores import ClassScores as ClassScores
from histoseg.metrics.instance_scores import InstanceScores as InstanceScores
