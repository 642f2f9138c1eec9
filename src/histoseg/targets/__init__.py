from histoseg.targets.hover import hover_maps as hover_maps
from histoseg.targets.hover import hover_targets as hover_targets
