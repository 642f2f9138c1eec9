"""The IHC generator: sizes, what it sees, its losses."""

from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from conftest import Compose
from histoseg.modules import IHCGenerator


def build(composed: Compose, *more: str) -> IHCGenerator:
    args = ["model=ihc_generator", "data=synthetic_stains", *more]
    module = instantiate(composed("train", *args, tiny="ihc_generator").model)
    assert isinstance(module, IHCGenerator)
    return module


@pytest.fixture
def batch() -> Any:
    names = ("ihc", "hematoxylin", "dapi", "marker", "seg")
    return {"stains": {name: torch.rand(2, 3, 64, 64) for name in names}}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_networks_have_the_sizes_of_nine_channels(composed: Compose) -> None:
    cfg = composed("train", "model=ihc_generator", "data=synthetic_stains")
    with torch.device("meta"):
        module = instantiate(cfg.model)
    assert [count(net) for net in module.network.translators.values()] == [11_402_243] * 2
    assert [count(net) for net in module.discriminators.values()] == [6_970_177] * 2


@pytest.mark.parametrize(("compact", "channels"), [("false", 9), ("true", 5)])
def test_hematoxylin_is_seen_in_gray(
    compact: str, channels: int, composed: Compose, batch: Any
) -> None:
    module = build(composed, f"model.network.compact={compact}")
    seen = module.network.condition(2 * module.picture(batch) - 1)
    assert seen.shape == (2, channels, 64, 64)
    red, green, blue = batch["stains"]["hematoxylin"].unbind(1)
    gray = 2 * (0.299 * red + 0.587 * green + 0.114 * blue) - 1
    torch.testing.assert_close(seen[:, 0], gray)
    torch.testing.assert_close(seen[:, -3:], 2 * batch["stains"]["seg"] - 1)
    if channels == 9:
        torch.testing.assert_close(seen[:, 1:3], gray[:, None].expand(-1, 2, -1, -1))


def test_each_output_costs_its_share_on_both_sides(composed: Compose, batch: Any) -> None:
    module = build(composed, "model.weights=[0.75,0.25]")
    outputs = module(batch)
    terms = module.losses(batch, outputs)
    cost = {n: terms[f"gan_{n}"] + 100 * terms[f"l1_{n}"] for n in ("ihc", "marker")}
    torch.testing.assert_close(terms["loss"], 0.75 * cost["ihc"] + 0.25 * cost["marker"])
    judged = module.discriminator_losses(batch, outputs)
    torch.testing.assert_close(judged["loss"], 0.75 * judged["ihc"] + 0.25 * judged["marker"])
    judged["loss"].backward()
    assert all(p.grad is None for p in module.network.parameters())


def test_it_gives_pictures_and_finds_nothing(composed: Compose, batch: Any) -> None:
    module = build(composed).eval()
    assert module.decoder.kinds == {"stains"}
    maps = module.tile_maps(module.picture(batch))
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        "ihc": (2, 3, 64, 64), "marker": (2, 3, 64, 64),
    }  # fmt: skip
    assert set(module.decode(maps)) == {"pred_stains"}
