"""Pure functions that more than one room needs: arrays in, arrays out."""

from histoseg.ops.outlines import Rings as Rings
from histoseg.ops.outlines import edge_outlines as edge_outlines
from histoseg.ops.shapes import Shapes as Shapes
from histoseg.ops.shapes import measure_shapes as measure_shapes
