from pathlib import Path

import numpy as np
import pytest
import zarr

from fakes.discs import discs
from histoseg.writers import NpyPatches, Patch, ZarrPatches

SIDE = 64


def patches(count: int = 3, typed: bool = True) -> list[Patch]:
    made = []
    for seed in range(count):
        image, instances = discs(seed, SIDE, SIDE)
        semantic = (instances > 0).astype(np.uint8)
        made.append(Patch(image, instances, semantic if typed else None))
    blank = [np.zeros_like(a) if a is not None else None for a in made[0]]
    return [*made, Patch(*blank)]  # type: ignore[arg-type]


@pytest.mark.parametrize("typed", [True, False])
def test_npy_is_the_originals_array(tmp_path: Path, typed: bool) -> None:
    written = patches(typed=typed)
    NpyPatches(tmp_path / "new", SIDE, typed=typed).write(list("abcd"), written, 0)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [f"{n}.npy" for n in "abcd"]
    for name, patch in zip("abcd", written, strict=True):
        data = np.load(tmp_path / "new" / f"{name}.npy", allow_pickle=False)
        assert (data.dtype, data.shape) == (np.int32, (SIDE, SIDE, 5 if typed else 4))
        # what the original's loader makes of it
        np.testing.assert_array_equal(data[..., :3].astype("uint8"), patch.image)
        np.testing.assert_array_equal(data[..., 3], patch.instances)
        if patch.semantic is not None:
            np.testing.assert_array_equal(data[..., 4], patch.semantic)


@pytest.mark.parametrize("typed", [True, False])
def test_zarr_is_read_by_zarr_itself(tmp_path: Path, typed: bool) -> None:
    written = patches(typed=typed)
    ZarrPatches(tmp_path, SIDE, typed=typed).write(list("ab"), written[:2], 0)
    ZarrPatches(tmp_path, SIDE, typed=typed).write(list("cd"), written[2:], 2)  # opened again
    group = zarr.open_group(tmp_path / "patches.zarr", mode="r")
    fields = ("image", "instances", "semantic") if typed else ("image", "instances")
    assert sorted(group) == sorted(fields)
    for field in fields:
        expected = np.stack([getattr(patch, field) for patch in written])
        array = group[field]
        assert isinstance(array, zarr.Array)
        assert array.dtype == expected.dtype
        assert array.chunks == (1, *expected.shape[1:])
        np.testing.assert_array_equal(array[:], expected)
        chunks = [p for p in (tmp_path / "patches.zarr" / field / "c").rglob("*") if p.is_file()]
        assert len(chunks) == 4, "blank patches too"


def test_zarr_replaces_what_comes_after(tmp_path: Path) -> None:
    written = patches()
    ZarrPatches(tmp_path, SIDE, typed=True).write(list("abcd"), written, 0)
    ZarrPatches(tmp_path, SIDE, typed=True).write(["e"], written[:1], 1)
    image = zarr.open_group(tmp_path / "patches.zarr", mode="r")["image"]
    assert isinstance(image, zarr.Array)
    assert image.shape[0] == 2
    np.testing.assert_array_equal(image[1], written[0].image)
