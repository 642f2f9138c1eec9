import albumentations as A  # noqa: N812
import numpy as np
import pytest

from histoseg.contracts import Array, Record, planes_of
from histoseg.data import (
    Augment,
    PercentileNormaliser,
    RandomTile,
    ScribbleTile,
    Symmetry,
    SyntheticScribbles,
    centre_tile,
    to_sample,
)

TASKS = {"cells": ["cell"], "nuclei": ["inside", "bare"]}


def coordinates(channels: int = 5, planes: int = 6, height: int = 50, width: int = 70) -> Record:
    """A record whose image, strokes and window all say where a pixel was."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = np.stack([y + 100 * x + 1e5 * c for c in range(channels)], axis=-1)
    return Record(image=image, scribbles=strokes_at(image, planes), held_out=window_at(image))


def strokes_at(image: Array, planes: int) -> Array:
    place = image[..., 0].astype(int)
    return np.stack([place % (k + 3) == 0 for k in range(planes)], axis=-1)


def window_at(image: Array) -> Array:
    return np.asarray(image[..., 0].astype(int) % 100 < 20)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "transforms",
    [
        {"tile": RandomTile(32), "symmetry": Symmetry(p=1)},
        {"mirror": A.HorizontalFlip(p=1), "flip": A.VerticalFlip(p=1)},
        {"tile": ScribbleTile(32), "symmetry": Symmetry(p=1)},
        {"tile": ScribbleTile(64, held_out=True)},  # as wide as high, mirrored
    ],
    ids=lambda t: "-".join(t),
)
def test_strokes_stay_with_the_image(channels: int, transforms: dict[str, object]) -> None:
    augment = Augment(transforms)  # type: ignore[arg-type]
    for seed in range(4):
        out = augment(coordinates(channels), seed)
        assert out["image"].shape[2] == channels
        assert (out["scribbles"] == strokes_at(out["image"], 6)).all()
        assert (out["held_out"] == window_at(out["image"])).all()
        sample = to_sample(out)
        assert sample["image"].shape[0] == channels
        assert np.array_equal(sample["scribbles"].numpy(), np.moveaxis(out["scribbles"], -1, 0))


def test_centre_tiles_keep_strokes() -> None:
    tile = centre_tile(coordinates(), 32)
    assert (tile["scribbles"] == strokes_at(tile["image"], 6)).all()
    assert (tile["held_out"] == window_at(tile["image"])).all()


@pytest.mark.parametrize(("held_out", "share"), [(None, 0.6), (False, 0.6), (True, 0.6)])
def test_tiles_are_centred_on_strokes_and_heed_the_window(
    held_out: bool | None, share: float
) -> None:
    record = coordinates(1, 1, 200, 200)
    record["scribbles"][:] = False
    record["scribbles"][100:104, 60:140] = True
    record["held_out"] = np.zeros((200, 200), bool)
    record["held_out"][:, 100:] = True
    augment = Augment({"tile": ScribbleTile(20, share, shift=1, held_out=held_out)})
    centres = np.array([augment(record, seed)["image"][10, 10, 0] for seed in range(400)])
    y, x = centres % 100, centres // 100
    if held_out is not None:
        assert ((x >= 100) == held_out).mean() > 0.97  # tiles at an edge are moved inwards
    on = ((y + 100 * x).astype(int) % 100 < 4) & (x >= 60) & (x < 140)
    assert on.mean() == pytest.approx(0.6, abs=0.1)


def test_an_image_without_strokes_gives_tiles_too() -> None:
    record = coordinates()
    record["scribbles"][:] = False
    augment = Augment({"tile": ScribbleTile(16, p_scribble=1.0)})
    assert augment(record, 0)["image"].shape == (16, 16, 5)


@pytest.mark.parametrize("wrong", [{"p_scribble": 1.5}, {"shift": 0}])
def test_tile_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        ScribbleTile(8, **wrong)  # type: ignore[arg-type]


def test_planes_are_named_in_order() -> None:
    names = [f"{p.task}.{p.name}" for p in planes_of(TASKS)]
    assert names == [
        "cells.cell",
        "cells.background",
        "nuclei.inside",
        "nuclei.bare",
        "nuclei.background",
    ]


@pytest.mark.parametrize(
    "tasks", [{}, {"a": []}, {"a": ["x", "x"]}, {"a": ["background"]}, {"a": "cell"}]
)
def test_odd_tasks_are_refused(tasks: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="task"):
        planes_of(tasks)


def test_synthetic_strokes_never_err() -> None:
    data = SyntheticScribbles(2, size=128, tasks=TASKS, objects="nuclei", bare=0.4)
    record = data[0]
    assert record["scribbles"].shape == (128, 128, 5)
    cell, around, inside, bare, between = np.moveaxis(record["scribbles"], -1, 0)
    semantic = record["semantic"]
    assert (semantic[inside] == 1).all()
    assert (semantic[bare] == 2).all()
    assert not semantic[between].any()
    assert min(p.sum() for p in (cell, around, inside, bare, between)) > 10
    assert not (cell & around).any()
    assert set(np.unique(record["instances"] > 0)) == set(np.unique(semantic > 0))
    assert data[0] is data[0]
    assert not np.array_equal(data[1]["image"], record["image"])


@pytest.mark.parametrize(
    "wrong", [{"tasks": {"a": ["cow"]}}, {"objects": "b"}, {"bare": 2.0}, {"split": "all"}]
)
def test_synthetic_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"cow|'b'|within 0 to 1|all"):
        SyntheticScribbles(1, **wrong)  # type: ignore[arg-type]


def test_percentiles_of_all_channels_or_of_each() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 30, (60, 50, 2)) * np.array([1, 200])
    joint = PercentileNormaliser()(image)
    assert joint.dtype == np.float32
    assert np.percentile(joint, (1, 98)) == pytest.approx([0, 1], abs=1e-6)
    assert joint.max() > 1 > joint[..., 0].max()
    each = PercentileNormaliser(per_channel=True, clip=True)(image)
    assert np.percentile(each, (2, 97), axis=(0, 1)) == pytest.approx(
        np.array([[0, 0], [1, 1]]), abs=0.08
    )
    assert (each.min(), each.max()) == (0, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_a_constant_image_becomes_nothing(dtype: type) -> None:
    assert not PercentileNormaliser()(np.full((8, 8, 2), 7, dtype)).any()
    image = np.zeros((8, 8, 2), dtype)
    image[..., 0] = np.arange(8)
    scaled = PercentileNormaliser(per_channel=True)(image)
    assert scaled[..., 0].max() > 0.9
    assert not scaled[..., 1].any()


def test_values_that_are_no_numbers_are_named() -> None:
    image = np.ones((4, 4, 3))
    image[1, 1, 2] = np.nan
    with pytest.raises(ValueError, match="channel 2 holds values that are not numbers"):
        PercentileNormaliser()(image)
    with pytest.raises(ValueError, match="0 <= low < high"):
        PercentileNormaliser(98, 1)
