import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from fakes.discs import discs
from histoseg.contracts import Place, Record
from histoseg.data import to_sample
from histoseg.data.sample import packed, widened


def record() -> Record:
    image, instances = discs(0)
    return Record(
        image=image,
        instances=instances,
        semantic=(instances > 0).astype(np.uint8),
        tissue="Colon",
        place=Place("a", 1, 2, float("nan")),
    )


def test_shapes_types_and_ranges() -> None:
    source = record()
    sample = to_sample(source)
    assert set(sample) == set(source)
    assert sample["image"].shape == (3, 64, 64)
    assert sample["image"].is_contiguous()
    torch.testing.assert_close(
        sample["image"][2], torch.from_numpy(source["image"][:, :, 2].astype(np.float32) / 255)
    )
    for key in ("instances", "semantic"):
        assert sample[key].dtype == torch.int64
        np.testing.assert_array_equal(sample[key], source[key])


def test_a_float_image_is_taken_as_it_is() -> None:
    image = np.random.default_rng(0).random((4, 5, 2), dtype=np.float32)
    np.testing.assert_array_equal(to_sample({"image": image})["image"].permute(1, 2, 0), image)


def test_refuses_other_types() -> None:
    with pytest.raises(ValueError, match="float64; expected uint8 or float32"):
        to_sample({"image": np.zeros((2, 2, 3))})


def test_a_batch_is_the_same_dictionary() -> None:
    batch = default_collate([to_sample(record()), to_sample(record())])
    assert batch["image"].shape == (2, 3, 64, 64)
    assert batch["tissue"] == ["Colon", "Colon"]
    assert list(batch["place"].slide) == ["a", "a"]
    assert batch["place"].mpp.isnan().all()


def test_what_is_ignored_and_points_become_tensors() -> None:
    ignore, points = np.eye(3, dtype=bool), np.array([[1.5, 2.0, 1.0]])
    sample = to_sample({"ignore": ignore, "points": points})
    assert sample["ignore"].dtype == torch.bool
    assert sample["points"].dtype == torch.float32
    np.testing.assert_array_equal(sample["ignore"], ignore)
    np.testing.assert_array_equal(sample["points"], points)
    assert to_sample({"points": np.zeros((0, 3))})["points"].shape == (0, 3)


def test_packed_is_small_and_widens_to_the_same() -> None:
    """What a worker sends, and what the model gets of a batch of it."""
    small = packed(record())
    assert [small[key].dtype for key in ("image", "instances", "semantic")] == [
        torch.uint8,
        torch.int32,
        torch.uint8,
    ]
    batch = widened(default_collate([small, packed(record())]))
    expected = default_collate([to_sample(record()), to_sample(record())])
    for key in ("image", "instances", "semantic"):
        assert batch[key].dtype == expected[key].dtype
        assert torch.equal(batch[key], expected[key])
    assert torch.equal(widened(batch)["image"], batch["image"])


def test_packed_does_not_share_memory_with_the_record() -> None:
    source = record()
    before = {key: source[key].copy() for key in ("image", "instances", "semantic")}
    small = packed(source)
    for key in before:
        small[key].zero_()
    assert all(np.array_equal(source[key], value) for key, value in before.items())
