"""Pictures and slides: what a pixel size, a file or a place in an image is about."""

from histoseg.slides.find import find_images as find_images
from histoseg.slides.grid import Grid as Grid
from histoseg.slides.grid import cut as cut
from histoseg.slides.grid import pad as pad
from histoseg.slides.grid import tile_grid as tile_grid
from histoseg.slides.image import read_image as read_image
from histoseg.slides.stitch import Canvas as Canvas
