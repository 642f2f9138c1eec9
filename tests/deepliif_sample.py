"""The three real images of DeepLIIF that are at hand, and what the original says of them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from histoseg.contracts import Array
from histoseg.slides.image import read_image


class Golden(NamedTuple):
    """A line of the table: seg_thresh, counts, size, and MD5 of overlay and refined picture."""

    name: str
    seg_thresh: int
    counts: tuple[int, int]
    size: int
    overlay: str
    refined: str
    marker: tuple[int, int] | None  # threshold, positives


GOLDEN = (
    Golden("Bladder1", 120, (15, 168), 29, "4a5038b5df98", "096d53120d70", (189, 19)),
    Golden("Bladder1", 150, (15, 168), 29, "4a5038b5df98", "096d53120d70", (189, 19)),
    Golden("22_2", 120, (8, 106), 61, "d7b05b38d2f4", "84c4a85edf66", (208, 9)),
    Golden("22_2", 150, (9, 108), 44, "7c93122755c0", "dd00bcd5f2fb", (208, 10)),
    Golden("6_2", 120, (18, 79), 30, "6e9ea1a046b4", "e666b30bc749", None),
    Golden("6_2", 150, (17, 73), 39, "45b80768b2fa", "a8cc55a9ccdc", None),
)


def pictures(shared_data: Path, name: str) -> dict[str, Array]:
    """Seg, original and, where at hand, marker of a sample."""
    folder = shared_data / "deepliif_sample"
    if name == "Bladder1":
        strip = read_image(folder / "train" / "Bladder1.png")
        panels = [np.ascontiguousarray(p) for p in np.split(strip, 6, axis=1)]
        return {"original": panels[0], "marker": panels[4], "seg": panels[5]}
    results = folder / "test_DeepLIIF_results"
    found = {
        "seg": read_image(results / f"{name}_fake_B_5.png"),
        "original": read_image(folder / "test_cli" / f"{name}.png"),
    }
    marker = results / f"{name}_fake_B_4.png"
    return found | ({"marker": read_image(marker)} if marker.is_file() else {})
