"""A translator before a segmenter: what two commands would give, each at its resolution."""

from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor

from conftest import Compose
from fakes.models import Blots
from fakes.translators import Darkness, Swapped
from histoseg.contracts import Sample
from histoseg.errors import ContractError
from histoseg.modules import CycleGAN, Ensemble, Pipeline
from histoseg.modules.pieces import pieces
from histoseg.ops.symmetry import symmetries

STAIN = "hematoxylin"


def piped(translate: Any, segment: Any, **given: Any) -> Pipeline:
    own: dict[str, Any] = {
        "classes": segment.classes, "colours": segment.colours, "mpp": segment.mpp, "metrics": {},
        "picture": 160,
    }  # fmt: skip
    return Pipeline(translate, segment, **(own | given)).eval()


@pytest.fixture
def translator(composed: Compose) -> CycleGAN:
    small = ("model.network.translator.gain=0.3", "model.statistics=shared")
    cfg = composed("train", "model=cyclegan", "data=synthetic_stains", *small, tiny="cyclegan")
    module = instantiate(cfg.model)
    assert isinstance(module, CycleGAN)
    return module.eval()


def smooth(height: int, width: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, -(-height // 8), -(-width // 8), generator=draw)
    fine = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")
    return (fine[..., :height, :width] * 255).round() / 255


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_a_picture_gives_what_two_commands_give(translator: CycleGAN, direction: Any) -> None:
    translator.direction = direction
    translator.statistics = "tile"
    if direction == "b_to_a":
        translator.outputs = ("ihc",)
    segment, image = Blots(), smooth(90, 70)
    pipeline = piped(translator, segment)
    stain = pipeline.stain
    stored = translator.decoder.picture(translator.infer(image)[stain][0].numpy())
    again = torch.from_numpy(stored).permute(2, 0, 1)[None].float().div(255)
    want = segment.infer(again)["np"]
    assert want.std() > 0.01
    pipeline.keep = True
    got = pipeline.infer(image)
    torch.testing.assert_close(got["np"], want, rtol=0, atol=0)
    torch.testing.assert_close(got[stain], again, rtol=0, atol=0)
    shown = pipeline.decoder.picture(got[stain][0].numpy())
    np.testing.assert_array_equal(shown, stored)


def test_a_translator_sees_what_it_was_trained_on(translator: CycleGAN) -> None:
    """Pictures of 0..255 stay in [0, 1] for every module; the network sees them in [-1, 1]."""
    seen = []
    translator.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    translator.statistics = "running"
    image = torch.cat([torch.zeros(1, 3, 32, 16), torch.ones(1, 3, 32, 16)], dim=3)
    piped(translator, Blots()).infer(image)
    assert seen[0].min() == -1
    assert seen[0].max() == 1


def test_a_made_picture_is_not_stretched() -> None:
    """A dark and a light picture stay so: none is scaled by its own range."""
    pipeline = piped(Swapped(margin=0), Blots(), stain="swapped")
    dark, light = smooth(64, 64) * 0.5, smooth(64, 64) * 0.5 + 0.25
    for image in (dark, light):
        made = pipeline.translated(image)
        torch.testing.assert_close(made, image.flip(1), rtol=0, atol=1 / 255)


@torch.no_grad()
def test_neighbouring_pieces_agree_if_statistics_are_shared(translator: CycleGAN) -> None:
    segment = Blots()
    pipeline = piped(translator, segment, border=40)
    pipeline.keep = True
    side, shift = pipeline.tile, 32
    image = smooth(side, side + shift)
    image[..., shift + side // 2 :] *= 0.3  # another tissue
    left, right = image[..., :side], image[..., shift:]

    def apart() -> float:
        one, other = (pipeline({"image": piece})[STAIN] for piece in (left, right))
        return float((one[..., shift:] - other[..., :-shift]).abs().max())

    pipeline.share(image)
    assert apart() < 1.5 / 255
    translator.statistics = "tile"
    translator.eval()
    assert apart() > 5 / 255


def test_a_picture_of_a_few_pixels_has_shared_statistics_too(translator: CycleGAN) -> None:
    assert translator.infer(smooth(3, 5))[STAIN].shape == (1, 3, 3, 5)


def test_each_model_sees_its_own_resolution() -> None:
    class Seeing(Swapped):
        sizes: tuple[int, ...] = ()

        def forward(self, batch: Sample) -> dict[str, Tensor]:
            self.sizes = (*self.sizes, batch["image"].shape[-1])
            return super().forward(batch)

    coarse = Seeing(mpp=0.5, tile=32, margin=0)
    pipeline = piped(coarse, Blots(mpp=0.25), stain="swapped")
    assert pipeline.mpp == 0.25
    assert pipeline.zoom == 0.5
    image = smooth(80, 80)
    assert pipeline.translated(image).shape == image.shape
    assert set(coarse.sizes) == {32}
    coarse.sizes = ()
    piece = smooth(pipeline.tile, pipeline.tile)
    assert pipeline({"image": piece})["np"].shape[-1] == pipeline.tile - 2 * pipeline.margin
    assert coarse.sizes == (round(pipeline.tile * 0.5),)
    assert piped(Seeing(mpp=0.253, margin=0), Blots(mpp=0.25), stain="swapped").zoom == 1


def test_pictures_of_the_translator_are_averaged_over_flips(translator: CycleGAN) -> None:
    translator.statistics = "tile"
    image = smooth(32, 32)
    turned = [s.undo(translator.infer(s.apply(image))[STAIN]) for s in symmetries("flips")]
    want = torch.stack(turned).mean(0)
    got = piped(translator, Blots(), translator_tta="flips").translated(image)
    torch.testing.assert_close(got, want, rtol=0, atol=0.51 / 255)
    assert (turned[0] - want).abs().max() > 2 / 255


def test_an_ensemble_gives_one_picture(composed: Compose) -> None:
    cfg = composed("train", "model=cyclegan", "data=synthetic_stains", tiny="cyclegan")
    members = [instantiate(cfg.model).eval() for _ in range(2)]
    image = smooth(32, 48)
    want = torch.stack([member.infer(image)[STAIN] for member in members]).mean(0)
    together = Ensemble(members).eval()
    torch.testing.assert_close(together.infer(image)[STAIN], want)
    torch.testing.assert_close(
        together.tile_maps(image[..., :32])[STAIN],
        torch.stack([m.tile_maps(image[..., :32])[STAIN] for m in members]).mean(0),
    )
    pipeline = piped(members[0], Blots())
    pipeline.take("translate", together)
    torch.testing.assert_close(pipeline.translated(image), want, rtol=0, atol=0.51 / 255)
    assert pipeline.networks["translate"] is together.network
    scored = together.test_step({"stains": {"ihc": image, STAIN: image}}, 0)
    assert set(scored["pred_stains"]) == {"ihc", STAIN}, "both directions"
    torch.testing.assert_close(scored["pred_stains"][STAIN], want)
    torch.testing.assert_close(together.infer(image)[STAIN], want)


def test_pieces_have_whole_tiles_and_a_border() -> None:
    hover = Blots(tile=256, margin=46)
    assert pieces(hover, 1024, 32, 4) == (976, 912, 78, 5)
    for largest in (400, 512, 700, 1024, 2048):
        cut = pieces(hover, largest, 32, 4)
        assert cut.tile <= largest
        assert cut.tile % 4 == 0
        assert cut.margin - 46 >= 32
        assert cut.tile - 2 * cut.margin == cut.row * 164
    assert pieces(hover, 1024, 32, 512).tile == 1024
    with pytest.raises(ValueError, match="no room for a tile of 256 px"):
        pieces(hover, 256, 32, 4)


@pytest.mark.parametrize(
    ("translate", "segment", "stain", "why"),
    [
        (Swapped(margin=0), Blots(), None, "makes swapped, dark; say which"),
        (Swapped(margin=0), Blots(), "he", "model.stain=he: the translator makes swapped, dark"),
        (Swapped(), Blots(), "swapped", "Swapped loses 8 px"),
        (Blots(), Blots(), None, "Blots makes no picture"),
    ],
)
def test_what_does_not_fit_is_refused(
    translate: Any, segment: Any, stain: str | None, why: str
) -> None:
    with pytest.raises(ContractError, match=why):
        piped(translate, segment, stain=stain)


def test_a_translator_of_several_stains_is_refused(composed: Compose) -> None:
    cfg = composed("train", "model=ihc_generator", "data=synthetic_stains", tiny="ihc_generator")
    with pytest.raises(ContractError, match="together; a picture is of one stain"):
        piped(instantiate(cfg.model), Blots())


def test_it_is_not_trained() -> None:
    pipeline = piped(Swapped(margin=0), Darkness(), stain="swapped")
    with pytest.raises(ContractError, match="train each of its models"):
        pipeline.losses({"image": smooth(32, 32)}, {})
