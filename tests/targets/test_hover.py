from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import Tensor

from histoseg.ops.components import split_components
from histoseg.ops.crop import centre_crop
from histoseg.targets import hover_maps, hover_targets

IDS = st.sampled_from([0, 1, 2, 7, 2**40, 2**62])
BATCHES = arrays(
    np.int64, st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)), elements=IDS
)


def one_by_one(instances: NDArray[np.int64]) -> NDArray[np.float32]:
    """Follow the paper nucleus by nucleus."""
    maps = np.zeros((2, *instances.shape), dtype=np.float32)
    for i in np.unique(instances[instances > 0]):
        rows, columns = np.nonzero(instances == i)
        for plane, at in zip(maps, (columns, rows), strict=True):
            value = (at + 1 - int(at.mean() + 0.5)).astype(np.float32)
            value[value < 0] /= -value.min()
            value[value > 0] /= value.max()
            plane[rows, columns] = value
    return maps


@given(BATCHES)
@settings(deadline=None)
def test_maps_equal_the_plain_loop(batch: NDArray[np.int64]) -> None:
    maps = hover_maps(torch.from_numpy(batch))
    np.testing.assert_array_equal(maps.numpy(), np.stack([one_by_one(tile) for tile in batch]))


@given(BATCHES, st.integers(1, 6))
@settings(deadline=None)
def test_targets_equal_the_plain_loop(batch: NDArray[np.int64], least: int) -> None:
    size = (max(batch.shape[1] // 2, 1), max(batch.shape[2] // 2, 1))
    targets = hover_targets(torch.from_numpy(batch), size, min_pixels=least)
    for i, tile in enumerate(batch):
        cut = centre_crop(torch.from_numpy(tile), size).numpy()
        hv = centre_crop(torch.from_numpy(one_by_one(tile)), size).numpy().copy()
        for n in np.unique(cut):
            hv[:, cut == n] *= (cut == n).sum() >= least
        np.testing.assert_array_equal(targets["hv"][i].numpy(), hv)
        np.testing.assert_array_equal(targets["np"][i].numpy(), cut > 0)


def random_discs(count: int, side: int) -> NDArray[np.int64]:
    random = np.random.default_rng(count)
    y, x = np.mgrid[:side, :side]
    tile = np.zeros((side, side), dtype=np.int64)
    for i in range(1, count + 1):
        centre_y, centre_x, radius = random.uniform((0, 0, 3), (side, side, 12))
        tile[(y - centre_y) ** 2 + (x - centre_x) ** 2 <= radius**2] = 1000 * i
    return tile


def test_large_tiles_equal_the_plain_loop() -> None:
    batch = np.stack([random_discs(count, 256) for count in (1, 40, 400)])
    maps = hover_maps(torch.from_numpy(batch)).numpy()
    np.testing.assert_array_equal(maps, np.stack([one_by_one(tile) for tile in batch]))


def line(*ids: int) -> Tensor:
    return hover_maps(torch.tensor([[ids]]))[0, 0, 0]


def test_known_values() -> None:
    assert line(4, 4, 4, 4, 4, 4).tolist() == pytest.approx([-1, -0.5, 0, 1 / 3, 2 / 3, 1])
    assert line(0, 7, 7, 7, 0).tolist() == [0, 0, 0.5, 1, 0]
    assert line(0, 9, 0).tolist() == [0, 1, 0]


def test_a_nucleus_is_the_same_wherever_it_lies() -> None:
    tiles = torch.zeros(4, 20, 20, dtype=torch.int64)
    corners = [(0, 0), (0, 15), (15, 0), (7, 7)]
    for tile, (top, left) in zip(tiles, corners, strict=True):
        tile[top : top + 5, left : left + 5] = 3
    maps = hover_maps(tiles)
    cuts = [m[:, t : t + 5, x : x + 5] for m, (t, x) in zip(maps, corners, strict=True)]
    assert cuts[0].abs().max() == 1
    assert all(torch.equal(cut, cuts[3]) for cut in cuts)


def test_one_id_on_two_tiles_is_two_nuclei() -> None:
    tiles = torch.zeros(2, 4, 9, dtype=torch.int64)
    tiles[0, :, :3] = 5
    tiles[1, :, 6:] = 5
    maps = hover_maps(tiles)
    assert torch.equal(maps[0, :, :, :3], maps[1, :, :, 6:])


def test_empty_tiles() -> None:
    empty = torch.zeros(2, 10, 10, dtype=torch.int64)
    targets = hover_targets(empty, (6, 4))
    assert hover_maps(empty).shape == (2, 2, 10, 10)
    assert not hover_maps(empty).any()
    assert targets["np"].shape == (2, 6, 4)
    assert targets["np"].dtype == torch.int64
    assert targets["hv"].shape == (2, 2, 6, 4)
    assert hover_maps(empty[:0]).shape == (0, 2, 10, 10)


def test_the_input_is_not_changed_and_may_be_a_view() -> None:
    tile = torch.from_numpy(random_discs(10, 64)).unsqueeze(0)
    before = tile.clone()
    flipped = hover_maps(tile.mT)
    assert torch.equal(tile, before)
    assert torch.equal(flipped, hover_maps(tile.mT.contiguous()))


@pytest.mark.parametrize("bad", [torch.zeros(4, 4), torch.zeros(1, 4, 4)])
def test_other_tensors_are_refused(bad: Tensor) -> None:
    with pytest.raises(ValueError, match="expected an integer instance map"):
        hover_maps(bad)


@pytest.mark.parametrize("crop", [80, 164])
@pytest.mark.parametrize("case", range(6))
def test_targets_equal_the_original(shared_golden: Path, case: int, crop: int) -> None:
    with np.load(shared_golden / "hovernet" / "targets.npz") as arrays:
        instances, hv, nuclei = (
            arrays[name] for name in (f"ann_{case}", f"hv_{case}_{crop}", f"np_{case}_{crop}")
        )
    split = split_components(instances).astype(np.int64)
    targets = hover_targets(torch.from_numpy(split).unsqueeze(0), (crop, crop))
    compare(targets, hv, nuclei, split)


@pytest.mark.parametrize("crop", [80, 164, 256])
@pytest.mark.parametrize(
    "name",
    [
        *("dsb_52a6b8ae", "dsb_87ea7289", "dsb_af6b6173", "dsb_e414b54f"),
        *("nucls_train_1", "nucls_train_3"),
    ],
)
def test_targets_of_real_tiles_equal_the_original(shared_data: Path, name: str, crop: int) -> None:
    suffix = "full" if crop == 256 else str(crop)
    with np.load(shared_data / "golden_hovernet_public" / f"{name}.npz") as arrays:
        instances, hv, nuclei = (arrays[n] for n in ("true", f"hv_{suffix}", f"np_{suffix}"))
    split = split_components(instances[:256, :256]).astype(np.int64)
    targets = hover_targets(torch.from_numpy(split).unsqueeze(0), (crop, crop))
    compare(targets, hv, nuclei, split)


def compare(
    targets: dict[str, Tensor],
    hv: NDArray[np.float32],
    nuclei: NDArray[np.int32],
    instances: NDArray[np.int64],
) -> None:
    """Compare all but nuclei within 2 px of the top and left border, which the original loses."""
    lost = np.union1d(instances[:2], instances[:, :2])
    cut = centre_crop(torch.from_numpy(instances), (len(hv), len(hv))).numpy()
    ours = targets["hv"][0].permute(1, 2, 0).numpy()
    kept = ~np.isin(cut, lost[lost > 0])
    np.testing.assert_array_equal(ours[kept], hv[kept])
    np.testing.assert_array_equal(targets["np"][0].numpy(), nuclei)
    for i in np.unique(cut[~kept]):
        inside = cut == i
        assert not hv[inside].any()
        assert (np.abs(ours[inside]).max() > 0) == (inside.sum() >= 30)
