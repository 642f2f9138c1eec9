import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from histoseg.ops.tiling import tiled


def crop_by(margin: int):  # noqa: ANN201
    def network(tiles: Tensor) -> dict[str, Tensor]:
        end = tiles.shape[-1] - margin
        return {"same": tiles[..., margin:end, margin:end]}

    return network


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    margin=st.integers(0, 9),
    output=st.integers(1, 30),
    data=st.data(),
)
def test_a_network_that_only_crops_gives_the_image_back(
    height: int, width: int, margin: int, output: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, output - 1))
    image = torch.rand(2, 3, height, width)
    maps = tiled(
        crop_by(margin),
        image,
        tile=output + 2 * margin,
        margin=margin,
        overlap=overlap,
        batch_size=3,
    )
    torch.testing.assert_close(maps["same"], image, atol=1e-5, rtol=0)
    if not overlap:
        assert torch.equal(maps["same"], image), "without overlap not a bit changes"


@pytest.mark.parametrize(("tile", "margin", "count"), [(256, 46, 49), (270, 95, 169)])
def test_as_many_tiles_as_the_original(tile: int, margin: int, count: int) -> None:
    seen = 0

    def network(tiles: Tensor) -> dict[str, Tensor]:
        nonlocal seen
        seen += len(tiles)
        return crop_by(margin)(tiles)

    tiled(network, torch.zeros(1, 1, 1000, 1000), tile=tile, margin=margin)
    assert seen == count


def test_a_pixel_sees_the_same_surroundings_as_in_the_whole_image() -> None:
    """A 3x3 mean, tile by tile, equals the mean over the reflected image, at the seams too."""
    image = torch.rand(1, 1, 37, 41)

    def mean(x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 3, stride=1)

    whole = mean(torch.nn.functional.pad(image, (1, 1, 1, 1), mode="reflect"))
    maps = tiled(lambda t: {"mean": mean(t)}, image, tile=10, margin=1, overlap=3)
    torch.testing.assert_close(maps["mean"], whole)


def test_an_overlap_as_large_as_the_output_is_refused() -> None:
    with pytest.raises(ValueError, match=r"use 0\.\.7"):
        tiled(crop_by(1), torch.zeros(1, 1, 9, 9), tile=10, margin=1, overlap=8)
