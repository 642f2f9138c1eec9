"""Test-time augmentation: what is said of turned images is turned back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from conftest import Compose
from histoseg.contracts import Sample
from histoseg.engine import checkpoint
from histoseg.modules.hovernet import HoVerNet
from histoseg.ops.crop import centre_crop
from histoseg.ops.symmetry import symmetries


class FromThePicture(torch.nn.Module):
    """Says what a closed form says: np from brightness, hv from its gradient, tp from colour.

    Its answer for a turned picture is its answer for the picture, turned.
    """

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        grey = image.mean(1)
        down, right = torch.gradient(grey, dim=(1, 2))
        outputs = {
            "np": torch.stack([-grey, grey], dim=1),
            "hv": torch.stack([right, down], dim=1),
            "tp": torch.cat([image, image[:, :2] - 1], dim=1),
        }
        side = image.shape[-1] - 92
        return {name: centre_crop(o, (side, side)) for name, o in outputs.items()}


@pytest.fixture
def module(composed: Compose) -> HoVerNet:
    cfg = composed("train", "model=hovernet", "data=synthetic", tiny="hovernet")
    built = checkpoint.build(cfg).eval()
    assert isinstance(built, HoVerNet)
    return built


@pytest.mark.parametrize("name", ["flips", "d4"])
@pytest.mark.parametrize("size", [(72, 72), (100, 51)])
def test_the_mean_of_equivariant_answers_is_the_plain_answer(
    module: HoVerNet, name: str, size: tuple[int, int]
) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((3, *size)), (0, 3, 3))
    image = torch.from_numpy(smooth).float()[None]
    module.network = FromThePicture()
    plain = module.infer(image)
    module.symmetries = symmetries(name)
    augmented = module.infer(image)
    assert plain.keys() == augmented.keys() == {"np", "hv", "tp"}
    assert plain["hv"].abs().max() > 0.01, "vectors that vanish would show nothing"
    for key, maps in plain.items():
        torch.testing.assert_close(augmented[key], maps, rtol=1e-4, atol=1e-6)


def test_a_network_that_prefers_a_side_is_evened_out(module: HoVerNet) -> None:
    image = torch.rand(1, 3, 36, 36)
    plain = module.infer(image)
    module.symmetries = symmetries("d4")
    mean = module.infer(image)
    turned = module.infer(image.rot90(1, (-2, -1)))
    assert not torch.allclose(plain["np"], mean["np"], atol=1e-5)
    torch.testing.assert_close(turned["np"].rot90(-1, (-2, -1)), mean["np"])
    x, y = turned["hv"].rot90(-1, (-2, -1)).unbind(1)
    torch.testing.assert_close(torch.stack([-y, x], dim=1), mean["hv"])


def test_targets_turn_as_maps_do(module: HoVerNet) -> None:
    """Distances of symmetric nuclei with a centre between pixels, up to the targets' rounding."""
    instances = torch.zeros(1, 128, 128, dtype=torch.int64)
    instances[:, 50:71, 56:77] = 1
    batch = Sample(instances=instances, semantic=2 * (instances > 0).long())
    plain = module.targets(batch)
    for symmetry in symmetries("d4"):
        turned = Sample(**{k: symmetry.apply(v) for k, v in batch.items()})
        back = module.turned_back(module.targets(turned), symmetry)
        assert torch.equal(back["np"], plain["np"])
        assert torch.equal(back["tp"], plain["tp"])
        # the targets count pixels from 1: a flip moves them by one of 21 / 2 pixels
        assert (back["hv"] - plain["hv"]).abs().max() < 0.2


def test_evaluation_and_prediction_average(composed: Compose, tmp_path: Path) -> None:
    from histoseg.engine.evaluate import evaluate
    from histoseg.engine.predict import load

    cfg = composed("train", "model=hovernet", "data=synthetic", tiny="hovernet")
    built = checkpoint.build(cfg)
    content = {"state_dict": built.state_dict()}
    built.on_save_checkpoint(content)
    torch.save(content, tmp_path / "a.ckpt")
    stored = [f"ckpt={tmp_path / 'a.ckpt'}", "model=hovernet", "data=synthetic"]
    loaded = load(composed("predict", *stored, "tta=flips", tiny="hovernet"))
    assert loaded.symmetries == symmetries("flips")
    with pytest.raises(ValueError, match="tta=all"):
        evaluate(composed("evaluate", *stored, "tta=all", tiny="hovernet"))
