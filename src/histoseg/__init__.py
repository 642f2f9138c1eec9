"""Nuclei segmentation, stain translation and learning from scribbles in one house."""

__version__ = "0.1.0"
