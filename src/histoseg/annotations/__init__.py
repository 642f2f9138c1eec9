"""Annotation files of other programs, as shapes and maps in house coordinates."""

from histoseg.annotations.aperio import read_aperio as read_aperio
from histoseg.annotations.drawing import Drawing as Drawing
from histoseg.annotations.drawing import Dropped as Dropped
from histoseg.annotations.drawing import Shape as Shape
from histoseg.annotations.label_images import LABEL_SUFFIXES as LABEL_SUFFIXES
from histoseg.annotations.label_images import as_labels as as_labels
from histoseg.annotations.label_images import mat_semantic as mat_semantic
from histoseg.annotations.label_images import read_labels as read_labels
from histoseg.annotations.label_images import read_mat as read_mat
from histoseg.annotations.objects import OBJECT_SUFFIXES as OBJECT_SUFFIXES
from histoseg.annotations.objects import Objects as Objects
from histoseg.annotations.objects import read_objects as read_objects
from histoseg.annotations.points import Points as Points
from histoseg.annotations.points import class_number as class_number
from histoseg.annotations.rasterise import MAX_PIXELS as MAX_PIXELS
from histoseg.annotations.rasterise import Rasterised as Rasterised
from histoseg.annotations.rasterise import rasterise as rasterise
from histoseg.annotations.read import DRAWING_SUFFIXES as DRAWING_SUFFIXES
from histoseg.annotations.read import read_drawing as read_drawing
from histoseg.annotations.read import read_drawings as read_drawings
from histoseg.annotations.read_points import POINT_SUFFIXES as POINT_SUFFIXES
from histoseg.annotations.read_points import read_points as read_points
from histoseg.annotations.regions import without_regions as without_regions
from histoseg.annotations.type_info import TypeInfo as TypeInfo
from histoseg.annotations.type_info import read_type_info as read_type_info
