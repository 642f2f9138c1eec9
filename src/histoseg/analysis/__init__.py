"""What nuclei say of a slide: density, hotspots, indices. Arrays in, arrays out."""

from histoseg.analysis.density import DensityGrid as DensityGrid
from histoseg.analysis.exact import exact_hotspots as exact_hotspots
from histoseg.analysis.hotspot import Hotspot as Hotspot
from histoseg.analysis.hotspot import Wanted as Wanted
from histoseg.analysis.hotspots import grid_hotspots as grid_hotspots
from histoseg.analysis.index import Grades as Grades
from histoseg.analysis.index import h_score as h_score
from histoseg.analysis.index import wilson as wilson
from histoseg.analysis.integral import integral_image as integral_image
from histoseg.analysis.integral import window_sums as window_sums
from histoseg.analysis.regions import Region as Region
