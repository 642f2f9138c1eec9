"""Pictures and slides: what a pixel size, a file or a place in an image is about."""

from histoseg.slides.deepliif_tiling import deepliif_starts as deepliif_starts
from histoseg.slides.deepliif_tiling import deepliif_tiled as deepliif_tiled
from histoseg.slides.deepliif_tiling import is_empty_tile as is_empty_tile
from histoseg.slides.find import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from histoseg.slides.find import find_images as find_images
from histoseg.slides.find_slides import SLIDE_SUFFIXES as SLIDE_SUFFIXES
from histoseg.slides.find_slides import SlideEntry as SlideEntry
from histoseg.slides.find_slides import find_slides as find_slides
from histoseg.slides.frame import Frame as Frame
from histoseg.slides.grid import Grid as Grid
from histoseg.slides.grid import Region as Region
from histoseg.slides.image import read_image as read_image
from histoseg.slides.open import open_slide as open_slide
from histoseg.slides.slide import Slide as Slide
from histoseg.slides.tissue import TissueFinder as TissueFinder
from histoseg.slides.tissue_mask import TissueMask as TissueMask
