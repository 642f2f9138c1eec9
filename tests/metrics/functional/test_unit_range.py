import pytest
import torch

from histoseg.metrics.functional.unit_range import in_unit_range, to_levels

LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_way_to_hold_a_level_gives_it_back(dtype: torch.dtype) -> None:
    assert torch.equal(to_levels(LEVELS.to(dtype) / 255), LEVELS)


def test_levels_survive_the_way_through_a_tanh_which_cutting_off_would_not_let() -> None:
    unit = ((LEVELS.float() / 127.5 - 1) + 1) / 2
    assert torch.equal(to_levels(unit), LEVELS)
    assert not torch.equal((255 * unit).byte(), LEVELS)


def test_one_channel_is_repeated() -> None:
    assert torch.equal(to_levels(LEVELS[:, :1]), LEVELS)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (LEVELS.float(), r"came in \[0, 255\]"),
        (LEVELS.float() / 127.5 - 1, r"came in \[-1, 1\].*tanh"),
        (torch.full((1, 3, 4, 4), torch.nan), r"came in \[nan, nan\]"),
        (LEVELS.int(), r"torch\.int32"),
        (torch.zeros(0, 3, 4, 4), r"expected floating images"),
        (torch.zeros(1, 4, 4, 4), r"\(B, 1 or 3, H, W\)"),
        (torch.zeros(3, 4, 4), r"\(B, 1 or 3, H, W\)"),
    ],
)
def test_another_range_or_shape_is_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_levels(images)


def test_what_rounding_adds_is_cut_off() -> None:
    images = torch.tensor([1.00001, -0.00001, 0.5])
    assert in_unit_range(images, "x").tolist() == [1, 0, 0.5]
