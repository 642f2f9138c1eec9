"""pix2pix: sizes of the original, its losses written out."""

from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional

from conftest import Compose
from histoseg.modules import Pix2Pix

MADE = "hematoxylin"


def build(composed: Compose, *more: str) -> Pix2Pix:
    cfg = composed("train", "model=pix2pix", "data=synthetic_stains", *more, tiny="pix2pix")
    module = instantiate(cfg.model)
    assert isinstance(module, Pix2Pix)
    return module


@pytest.fixture
def batch() -> Any:
    return {"stains": {name: torch.rand(2, 3, 32, 32) for name in ("ihc", "dapi", MADE)}}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_networks_have_the_sizes_of_the_original(composed: Compose) -> None:
    cfg = composed("train", "model=pix2pix", "data=synthetic_stains")
    with torch.device("meta"):
        module = instantiate(cfg.model)
    assert count(module.network) == 11_383_427
    assert count(module.discriminators) == 2_768_705
    assert module.discriminators["output"].inputs == 6


def pyramid(made: Tensor, true: Tensor, scales: int) -> Tensor:
    """Both pictures blurred, as the paper's code does."""
    side = torch.exp(-torch.tensor([1.0, 0.0, 1.0]) / 2)
    kernel = torch.outer(side, side)
    kernel = (kernel / kernel.sum()).expand(3, 1, 3, 3)
    total = torch.zeros(())
    for scale in range(scales):
        if scale:
            for _ in range(4):
                made, true = (
                    functional.conv2d(functional.pad(p, (1,) * 4, mode="reflect"), kernel, groups=3)
                    for p in (made, true)
                )
            made, true = made[..., ::2, ::2], true[..., ::2, ::2]
        total = total + (made - true).abs().mean()
    return total


@pytest.mark.parametrize(("scales", "weight"), [(4, 25.0), (1, 100.0)])
def test_what_both_sides_pay(scales: int, weight: float, composed: Compose, batch: Any) -> None:
    module = build(composed, f"model.scales={scales}", f"model.l1_weight={weight}")
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    outputs = module(batch)
    made = outputs[MADE]
    seen, true = (2 * batch["stains"][name] - 1 for name in ("ihc", MADE))
    judge = module.discriminators["output"]
    answers = judge(torch.cat([seen, made], 1))
    gan = functional.binary_cross_entropy_with_logits(answers, torch.ones_like(answers))
    terms = module.losses(batch, outputs)
    torch.testing.assert_close(terms["l1"], pyramid(made, true, scales))
    torch.testing.assert_close(terms["loss"], gan + weight * terms["l1"])
    of_true = judge(torch.cat([seen, true], 1))
    paid = functional.binary_cross_entropy_with_logits(answers, torch.zeros_like(answers))
    paid = paid + functional.binary_cross_entropy_with_logits(of_true, torch.ones_like(of_true))
    judged = module.discriminator_losses(batch, outputs)["loss"]
    torch.testing.assert_close(judged, paid / 2)
    judged.backward()
    assert all(p.grad is None for p in module.network.parameters())


def test_it_takes_several_stains_and_makes_one(composed: Compose, batch: Any) -> None:
    module = build(composed, "model.inputs=[ihc,dapi]").eval()
    assert module.discriminators["output"].inputs == 9
    maps = module.tile_maps(module.picture(batch))
    assert {name: tuple(m.shape) for name, m in maps.items()} == {MADE: (2, 3, 32, 32)}
    assert module.decoder.kinds == {"stains"}
    with pytest.raises(InstantiationException, match="expected one stain"):
        build(composed, "model.outputs=[hematoxylin,dapi]")
    with pytest.raises(InstantiationException, match="scales is 0"):
        build(composed, "model.scales=0")


def test_parts_can_be_frozen(composed: Compose) -> None:
    module = build(composed, "model.freeze_generators=[stem]", "model.freeze_discriminators=[head]")
    still = {name for name, p in module.named_parameters() if not p.requires_grad}
    assert {name.rsplit(".", 2)[0] for name in still} == {
        "network.stem", "discriminators.output",
    }  # fmt: skip
