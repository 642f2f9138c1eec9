"""Shared pure functions: tensors to tensors, arrays to arrays."""

from histoseg.ops.components import split_components as split_components
from histoseg.ops.crop import centre_crop as centre_crop
from histoseg.ops.tiling import tiled as tiled
