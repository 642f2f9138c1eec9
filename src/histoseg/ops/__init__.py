from histoseg.ops.components import split_components

__all__ = ["split_components"]
