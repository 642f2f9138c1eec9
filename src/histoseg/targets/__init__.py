from histoseg.targets.blind_spots import blind_spots as blind_spots
from histoseg.targets.hover import hover_maps as hover_maps
from histoseg.targets.hover import hover_targets as hover_targets
