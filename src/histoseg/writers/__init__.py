"""Results as files: what a file extension is about. Each takes a folder and a Prediction."""

from histoseg.writers.check_geojson import check_geojson as check_geojson
from histoseg.writers.geojson import write_geojson as write_geojson
from histoseg.writers.hovernet_json import write_hovernet_json as write_hovernet_json
from histoseg.writers.hovernet_mat import write_hovernet_mat as write_hovernet_mat
from histoseg.writers.overlay import draw_outlines as draw_outlines
from histoseg.writers.overlay import write_overlay as write_overlay
from histoseg.writers.panel import colour_semantic as colour_semantic
from histoseg.writers.panel import hv_to_rgb as hv_to_rgb
from histoseg.writers.panel import panel as panel
from histoseg.writers.picture import worst_name as worst_name
from histoseg.writers.picture import write_png as write_png
from histoseg.writers.sample_pictures import Colours as Colours
from histoseg.writers.sample_pictures import dotted as dotted
from histoseg.writers.sample_pictures import hatched as hatched
from histoseg.writers.sample_pictures import map_pictures as map_pictures
from histoseg.writers.sample_pictures import outlined as outlined
from histoseg.writers.sample_pictures import to_uint8 as to_uint8
from histoseg.writers.score_figure import write_comparison_figure as write_comparison_figure
from histoseg.writers.score_figure import write_score_figure as write_score_figure
from histoseg.writers.score_files import write_comparison as write_comparison
from histoseg.writers.score_files import write_csv as write_csv
from histoseg.writers.score_files import write_json as write_json
from histoseg.writers.score_files import write_scores as write_scores
from histoseg.writers.score_table import comparison_table as comparison_table
from histoseg.writers.score_table import score_table as score_table
from histoseg.writers.table import write_table as write_table
