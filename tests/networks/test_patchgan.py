from functools import partial
from typing import Any

import pytest
import torch

from histoseg.networks import PatchGAN, PixelGAN
from networks.tester import check_network

NORMS = ["batch", "instance", "none", "spectral"]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("layers", "out"), [(1, 30), (2, 14), (3, 6)])
def test_behaves(norm: str, layers: int, out: int) -> None:
    build = partial(PatchGAN, inputs=6, width=4, layers=layers, norm=norm, initial="torch")
    check_network(build, torch.rand(2, 6, 64, 64) * 2 - 1, {"": (2, 1, out, out)})


@pytest.mark.parametrize("norm", NORMS)
def test_by_pixels_behaves(norm: str) -> None:
    build = partial(PixelGAN, inputs=6, width=4, norm=norm, initial="torch")
    check_network(build, torch.rand(2, 6, 8, 12) * 2 - 1, {"": (2, 1, 8, 12)})


@pytest.mark.parametrize(
    ("build", "parameters", "entries"),
    [
        (partial(PatchGAN, 6, layers=4), 6_964_033, 28),
        (partial(PatchGAN, 12, layers=4), 6_970_177, 28),
        (partial(PatchGAN, 6), 2_768_705, 22),
        (partial(PatchGAN, norm="instance"), 2_764_737, 10),
        (partial(PixelGAN, 6), 9_024, 9),
    ],
)
def test_published_size(build: Any, parameters: int, entries: int) -> None:
    with torch.device("meta"):
        network = build()
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.state_dict()) == entries


@pytest.mark.parametrize(
    ("layers", "side", "out"), [(3, 256, 30), (3, 512, 62), (4, 512, 30), (3, 24, 1)]
)
def test_published_geometry(layers: int, side: int, out: int) -> None:
    with torch.device("meta"):
        shape = PatchGAN(layers=layers)(torch.zeros(1, 3, side, side)).shape
    assert shape == (1, 1, out, out)


def test_a_patch_is_70_pixels() -> None:
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    PatchGAN(width=2, norm="none", initial="torch")(image)[0, 0, 7, 7].backward()
    seen = image.grad.abs().sum((0, 1)).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


def test_by_pixels_sees_one_pixel() -> None:
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    PixelGAN(width=2, norm="none", initial="torch")(image)[0, 0, 3, 5].backward()
    assert image.grad.abs().sum((0, 1)).nonzero().tolist() == [[3, 5]]


def test_the_sigmoid_is_behind_all() -> None:
    plain, squeezed = (PatchGAN(width=2, sigmoid=sigmoid) for sigmoid in (False, True))
    squeezed.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(squeezed(image), plain(image).sigmoid())


def test_images_that_do_not_fit_are_refused() -> None:
    network = PatchGAN(width=2)
    with pytest.raises(ValueError, match=r"expected an image \(B, 3, H, W\)"):
        network(torch.zeros(1, 6, 64, 64))
    with pytest.raises(ValueError, match=r"23 x 64 px is too small for 3 halvings; give 24 px"):
        network(torch.zeros(1, 3, 23, 64))
    with pytest.raises(ValueError, match="use PixelGAN"):
        PatchGAN(layers=0)
