"""Pictures and slides: what a pixel size, a file or a place in an image is about."""

from histoseg.slides.find import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from histoseg.slides.find import find_images as find_images
from histoseg.slides.image import read_image as read_image
