"""Annotated tiles and slides, as records and samples; no training targets."""

from histoseg.data.synthetic import SyntheticTissue as SyntheticTissue
from histoseg.data.synthetic import synthetic_tissue as synthetic_tissue
