"""Patches of 540 px on disk: the original's ``.npy`` files against the compressed store.

The pixels are scikit-image's photograph ihc.png, mirrored to 1000 x 1000, and the nuclei synthetic;
49 patches are cut by `histoseg patches`' own code and read in random order. The baseline reads as
the original's loader does: ``np.load``, image to uint8, annotation to int32. All are read from
memory (page cache): from a disk, what counts besides is the size. Processor time. What is read is
compared before anything is timed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import skimage
from _cases import report, seconds
from PIL import Image

from histoseg.contracts import Array
from histoseg.data import Patches
from histoseg.data.synthetic import synthetic_tissue
from histoseg.ops.patches import patch_corners, patch_padding
from histoseg.writers import NpyPatches, Patch, ZarrPatches

SIDE, WINDOW, STEP = 1000, 540, 164
CLASSES = ("neoplastic", "inflammatory", "connective", "epithelial")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = written(folder)
        files = Patches(folder / "npy", classes=CLASSES)
        store = Patches(folder / "zarr", classes=CLASSES)
        order = np.random.default_rng(0).permutation(len(names)).tolist()
        for i in order:
            check(plainly(folder / "npy" / f"{names[i]}.npy"), files[i], store[i])
        sizes = [size(folder / kind) / len(names) / 1e6 for kind in ("npy", "zarr")]
        plain, npy, zarr = (
            len(names) / took
            for took in seconds(
                lambda: [plainly(folder / "npy" / f"{names[i]}.npy") for i in order],
                lambda: [files[i] for i in order],
                lambda: [store[i] for i in order],
            )
        )
    report("patches, size of one, zarr", *sizes, "MB", goal=8)
    report("patches, random reads, npy, checked", plain, npy, "/s", goal=0.8)
    report("patches, random reads, zarr", plain, zarr, "/s", goal=1.5)


def written(folder: Path) -> list[str]:
    """Both kinds of the same patches; their names."""
    picture = Image.open(Path(skimage.__file__).parent / "data" / "ihc.png").convert("RGB")
    tissue = synthetic_tissue(SIDE, SIDE, seed=0)
    (top, bottom), (left, right) = padding = patch_padding((SIDE, SIDE), WINDOW, STEP, "mirror")
    full = SIDE + top + bottom
    image = np.pad(np.asarray(picture), ((left, full - left - 512),) * 2 + ((0, 0),), "reflect")
    layers = [np.pad(tissue[key], padding, "reflect") for key in ("instances", "semantic")]
    patches = [
        Patch(*(a[y : y + WINDOW, x : x + WINDOW] for a in (image, *layers)))
        for y, x in patch_corners((full, left + SIDE + right), WINDOW, STEP).tolist()
    ]
    names = [f"a_{i:03d}" for i in range(len(patches))]
    for kind, writer in (("npy", NpyPatches), ("zarr", ZarrPatches)):
        (folder / kind).mkdir()
        writer(folder / kind, WINDOW, typed=True).write(names, patches, 0)
    (folder / "zarr" / "patches.csv").write_text("\n".join(["patch", *names]))
    return names


def plainly(path: Path) -> tuple[Array, Array]:
    data = np.load(path)
    return data[..., :3].astype("uint8"), data[..., 3:].astype("int32")


def check(plain: tuple[Array, Array], *records: object) -> None:
    image, annotation = plain
    for record in records:
        assert isinstance(record, dict)
        np.testing.assert_array_equal(record["image"], image)
        np.testing.assert_array_equal(record["instances"], annotation[..., 0])
        np.testing.assert_array_equal(record["semantic"], annotation[..., 1])


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
