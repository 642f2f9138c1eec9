import pytest
import torch

from histoseg.ops.crop import centre_crop


@pytest.mark.parametrize(
    ("length", "keep", "start"), [(5, 5, 0), (5, 4, 0), (5, 2, 1), (256, 164, 46), (270, 80, 95)]
)
def test_keeps_the_middle(length: int, keep: int, start: int) -> None:
    line = torch.arange(length).expand(3, length)
    assert torch.equal(
        centre_crop(line, (3, keep)), torch.arange(start, start + keep).expand(3, keep)
    )


def test_leading_dimensions_are_kept_and_nothing_is_copied() -> None:
    batch = torch.zeros(2, 3, 8, 9)
    cut = centre_crop(batch, (4, 3))
    cut += 1
    assert cut.shape == (2, 3, 4, 3)
    assert batch.sum() == cut.numel()


@pytest.mark.parametrize("size", [(9, 4), (4, 9), (0, 4)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} out of 8 x 8"):
        centre_crop(torch.zeros(8, 8), size)
