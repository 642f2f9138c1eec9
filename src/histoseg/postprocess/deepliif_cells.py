"""DeepLIIF's Seg picture -> cells, positive and negative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from histoseg.contracts import Array, Instances, Nuclei
from histoseg.ops.instances import rows_of
from histoseg.postprocess.deepliif_pixels import (
    CellPixels,
    as_uint8,
    find_cells,
    marker_values,
    optical_density,
)
from histoseg.postprocess.deepliif_thresholds import (
    SIZE_LIMITS,
    CellCalls,
    default_marker_threshold,
    default_size_threshold,
)

LARGEST = {"10x": 1000, "20x": 4000, "40x": 16000}
"""Sizes of noise, px, that ``large_noise_thresh="default"`` means."""


@dataclass(frozen=True)
class FoundCells:
    """All cells of a region above noise, classed by their colours alone.

    Attributes:
        instances: In pixels of the region; ids 1..N in raster order of first pixels.
        measures: By name, each (N,), int64: ``size``; ``marker`` and ``od`` where given.
        covered: (H, W), bool. All that is no background, noise too.
        marker_counts: (256,), int64. Marker pixels of each strength; None without a marker.
    """

    instances: Instances
    measures: Mapping[str, Array]
    covered: Array
    marker_counts: Array | None = None

    def nuclei(self) -> Nuclei:
        """The same as rows with measures."""
        return Nuclei.of(self.instances, self.measures)


@dataclass(frozen=True)
class DeepLIIFCells:
    """Cells of a Seg picture by its colours, their size and, if wanted, their marker.

    Two thresholds can be taken from the picture: of size and of marker. They need all cells, so
    there are two ways in: a call is for a whole picture; for the regions of a slide `find` is
    called on each, `settle` once with what all regions found, and what it returns on the nuclei.

    Enclosed pixels belong to the cell around them. In a region, what is enclosed is seen from the
    border of that region: a ring of boundary that the border cuts is open there. With a halo as
    wide as a cell, regions agree on the cells whose first pixel they own.

    Attributes:
        seg_thresh: Red and blue together that a pixel of a cell exceeds; 0..510.
        noise_thresh: Smaller or equal pieces are never cells; px.
        large_noise_thresh: Larger or equal ones neither; px, ``default`` (by resolution), None.
        size_thresh: A cell that counts is larger; px, or ``default``: from the cells themselves.
        size_thresh_upper: And smaller than this; px; None for any size.
        marker_thresh: A cell with more is positive; 0..255, ``default`` (from the picture), None.
        od_thresh_lower: A cell with less optical density (times 100) is negative; None for none.
        od_thresh_upper: Likewise with more.
        resolution: Magnification, which says how large a cell can be.
        marker: Name of the map of the marker.
        original: Name of the map of the brightfield image, of which the optical density is taken.

    Raises:
        ValueError: If a setting is not as said above.

    Source:
        Ghahremani et al. 2022; nadeemlab/DeepLIIF 1.2.6, equal count by count.
    """

    seg_thresh: int = 120
    noise_thresh: int = 4
    large_noise_thresh: int | Literal["default"] | None = None
    size_thresh: int | Literal["default"] = "default"
    size_thresh_upper: int | None = None
    marker_thresh: int | Literal["default"] | None = None
    od_thresh_lower: int | None = None
    od_thresh_upper: int | None = None
    resolution: Literal["40x", "20x", "10x"] = "40x"
    marker: str = "marker"
    original: str = "original"

    def __post_init__(self) -> None:
        """Refuse settings that would silently mean something else."""
        if self.resolution not in SIZE_LIMITS:
            raise ValueError(
                f"resolution is {self.resolution!r}; expected {', '.join(SIZE_LIMITS)}"
            )
        if not 0 <= self.seg_thresh <= 510:
            raise ValueError(f"seg_thresh is {self.seg_thresh}; expected 0 to 510, usually 120")
        for name in ("large_noise_thresh", "size_thresh", "marker_thresh"):
            value = getattr(self, name)
            if isinstance(value, str) and value != "default":
                raise ValueError(f"{name} is {value!r}; expected a number or default")
        if self.marker_thresh is not None and self.uses_density:
            raise ValueError("marker_thresh and od_thresh_* both class the cells: give one of them")

    @property
    def uses_density(self) -> bool:
        """Whether cells are classed by optical density."""
        return self.od_thresh_lower is not None or self.od_thresh_upper is not None

    @property
    def image_map(self) -> str | None:
        """Under which name the image itself has to be among the maps; None if it is not needed."""
        return self.original if self.uses_density else None

    def __call__(self, maps: Mapping[str, Array]) -> Instances:
        """Find the cells of a whole picture.

        Args:
            maps: float32 arrays in [0, 1]. ``seg`` (3, H, W): red positive, blue negative, green
                boundary; the marker and the original (3 or 1, H, W), optional.

        Returns:
            The cells that count: class 1 is positive, 2 negative. The score is the share of a
            cell's coloured pixels that voted for the class of its colours.

        Raises:
            ValueError: If a map is missing, misshapen, or not finite.
        """
        found = self.find(maps)
        return self.called(found, self.settle([found.nuclei()], found.marker_counts))

    def find(self, maps: Mapping[str, Array]) -> FoundCells:
        """Find all cells of a region above noise; arguments as of a call."""
        seg, marker, original = (
            self._picture(maps, name) for name in ("seg", self.marker, self.original)
        )
        if seg is None:
            raise ValueError(f"no map 'seg'; got {sorted(maps)}")
        return self.find_in(seg, marker, original)

    def find_in(
        self, seg: Array, marker: Array | None = None, original: Array | None = None
    ) -> FoundCells:
        """Find all cells of pictures above noise.

        Args:
            seg: (H, W, 3), uint8 RGB.
            marker: Marker picture, likewise.
            original: Brightfield picture, likewise.

        Raises:
            ValueError: If the pictures differ in size.
        """
        for name, other in (("marker", marker), ("original", original)):
            if other is not None and other.shape != seg.shape:
                raise ValueError(f"{name} is {other.shape}, seg {seg.shape}: expected equal sizes")
        most = self.large_noise_thresh
        most = LARGEST[self.resolution] if most == "default" else most
        cells = find_cells(seg, self.seg_thresh, self.noise_thresh, most)
        measures, counts = _measures(cells, marker, original)
        return FoundCells(cells.instances(), measures, cells.covered, counts)

    def marker_counts(self, maps: Mapping[str, Array]) -> Array | None:
        """Count the strengths of the marker in some maps, as `find` does; None without a marker.

        Regions that overlap are to be counted by their cores, so that each pixel counts once.
        """
        marker = self._picture(maps, self.marker)
        return None if marker is None else _strengths(marker_values(marker))

    def settle(self, parts: Iterable[Nuclei], marker_counts: Array | None = None) -> CellCalls:
        """Fix the thresholds.

        Args:
            parts: All cells above noise with their measures, each once.
            marker_counts: (256,), integers. Marker pixels of each strength in all regions; needed
                for ``marker_thresh="default"`` only.

        Returns:
            The thresholds; called with nuclei, it drops and re-classes them.

        Raises:
            ValueError: If the marker's threshold is wanted without a marker.
        """
        size, marker = self.size_thresh, self.marker_thresh
        if size == "default":
            size = default_size_threshold(*_histogram(parts), self.resolution)
        if marker == "default":
            if marker_counts is None:
                raise ValueError("marker_thresh=default needs a marker picture, and there is none")
            marker = default_marker_threshold(marker_counts)
        return CellCalls(
            size, self.size_thresh_upper, marker, self.od_thresh_lower, self.od_thresh_upper
        )

    def called(self, found: FoundCells, calls: CellCalls) -> Instances:
        """Cells of a picture that count, with the class that thresholds give them."""
        semantic = calls.kinds(found.instances.semantic, found.measures)
        return rows_of(replace(found.instances, semantic=semantic), calls.keep(found.measures))

    def _picture(self, maps: Mapping[str, Array], name: str) -> Array | None:
        if name not in maps:
            return None
        values = maps[name]
        if values.ndim != 3 or len(values) not in ((3,) if name == "seg" else (1, 3)):
            raise ValueError(f"map {name} is {values.shape}; expected (3, H, W)")
        if not np.isfinite(values).all():
            raise ValueError(f"map {name} has NaN or infinite values; did the training diverge?")
        return as_uint8(np.broadcast_to(values, (3, *values.shape[1:])))


def _measures(
    cells: CellPixels, marker: Array | None, original: Array | None
) -> tuple[dict[str, Array], Array | None]:
    measures: dict[str, Array] = {"size": cells.size}
    counts = None
    if marker is not None:
        strength = marker_values(marker)
        measures["marker"] = cells.most_in(strength)
        counts = _strengths(strength)
    if original is not None:
        measures["od"] = np.rint(cells.mean_in(optical_density(original))).astype(np.int64)
    return measures, counts


def _strengths(marker: Array) -> Array:
    return np.bincount(marker.ravel(), minlength=256)


def _histogram(parts: Iterable[Nuclei]) -> tuple[Array, Array]:
    """Sizes that occur, and how often, of a stream."""
    sizes = counts = np.zeros(0, dtype=np.int64)
    for part in parts:
        more, number = np.unique(part.measures["size"], return_counts=True)
        sizes, place = np.unique(np.concatenate([sizes, more]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, number]), len(sizes)).astype(np.int64)
    return sizes, counts
