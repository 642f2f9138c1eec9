"""DeepLIIF: sizes of the original, its losses written out, its files."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from conftest import Compose
from histoseg.data import to_sample
from histoseg.data.synthetic_stains import synthetic_stains
from histoseg.errors import CheckpointError
from histoseg.modules import DeepLIIF
from histoseg.networks import VGG19Features
from histoseg.weights.deepliif import write_deepliif

SIDE = 64
MODALITIES = ["hematoxylin", "dapi", "lap2", "marker"]
SHARES = [0.1, 0.2, 0.3, 0.15, 0.25]


def build(composed: Compose, *more: str) -> DeepLIIF:
    cfg = composed("train", "model=deepliif", "data=synthetic_stains", *more, tiny="deepliif")
    module = instantiate(cfg.model)
    assert isinstance(module, DeepLIIF)
    return module


def exact(module: DeepLIIF) -> DeepLIIF:
    """Without dropout, so that it can be written out."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return module


@pytest.fixture(scope="module")
def batch() -> dict[str, Any]:
    samples = [to_sample(synthetic_stains(SIDE, SIDE, seed=i, tissue="tumour")) for i in (1, 2)]
    stains = [sample["stains"] for sample in samples]
    return {"stains": {name: torch.stack([s[name] for s in stains]) for name in stains[0]}}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_networks_have_the_sizes_of_the_original(composed: Compose) -> None:
    cfg = composed("train", "model=deepliif", "data=synthetic_stains")
    with torch.device("meta"):
        module = instantiate(cfg.model)
    assert count(module.network) == 380_528_283
    assert count(module.discriminators) == 62_676_297
    assert [count(net) for net in module.network.translators.values()] == [11_383_427] * 4
    assert [count(net) for net in module.network.segmenters.values()] == [66_998_915] * 5
    assert list(module.network.seg_weights) == ["ihc", *MODALITIES]


def bce(answers: Tensor, target: float) -> Tensor:
    chance = torch.sigmoid(answers)
    return -(target * chance.log() + (1 - target) * (1 - chance).log()).mean()


def mse(answers: Tensor, target: float) -> Tensor:
    return ((answers - target) ** 2).mean()


def smooth(a: Tensor, b: Tensor) -> Tensor:
    far = (a - b).abs()
    return torch.where(far < 1, far**2 / 2, far - 0.5).mean()


class Plain:
    """The formulas of the original on the networks of a module; ``seg`` with its own weight."""

    def __init__(self, module: DeepLIIF, batch: Any, w_g: list[float], w_d: list[float]) -> None:
        self.net, self.judges = module.network, module.discriminators
        self.real = {name: 2 * stain - 1 for name, stain in batch["stains"].items()}
        self.w_g, self.w_d = w_g, w_d

    def made(self) -> dict[str, Tensor]:
        ihc = self.real["ihc"]
        made = {name: self.net.translators[name](ihc) for name in MODALITIES}
        segs = [self.net.segmenters["ihc"](ihc)]
        segs += [self.net.segmenters[name](made[name]) for name in MODALITIES]
        made["seg"] = sum(w * s for w, s in zip(SHARES, segs, strict=True))
        return made

    def judge(self, name: str, picture: Tensor) -> Tensor:
        found: Tensor = self.judges[name](torch.cat([self.real["ihc"], picture], 1))
        return found

    def judge_seg(self, seg: Tensor) -> Tensor:
        seen = [self.real[name] for name in ("ihc", *MODALITIES)]
        names = [f"seg_{name}" for name in ("ihc", *MODALITIES)]
        said = [self.judges[n](torch.cat([c, seg], 1)) for n, c in zip(names, seen, strict=True)]
        total: Tensor = sum(w * s for w, s in zip(SHARES, said, strict=True))
        return total

    def of_discriminators(self, made: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for name, w in zip(MODALITIES, self.w_d, strict=False):
            fake = bce(self.judge(name, made[name].detach()), 0)
            total = total + w * 0.5 * (fake + bce(self.judge(name, self.real[name]), 1))
        fake = mse(self.judge_seg(made["seg"].detach()), 0)
        return total + self.w_d[4] * 0.5 * (fake + mse(self.judge_seg(self.real["seg"]), 1))

    def of_generators(self, made: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for name, w in zip(MODALITIES, self.w_g, strict=False):
            far = smooth(made[name], self.real[name])
            total = total + w * (bce(self.judge(name, made[name]), 1) + 100 * far)
        far = smooth(made["seg"], self.real["seg"])
        return total + self.w_g[4] * (mse(self.judge_seg(made["seg"]), 1) + 100 * far)


W_G, W_D = [0.3, 0.1, 0.2, 0.15, 0.25], [0.1, 0.3, 0.2, 0.25, 0.15]
OWN = [
    f"model.seg_weights={SHARES}", f"model.generator_weights={W_G}",
    f"model.discriminator_weights={W_D}",
]  # fmt: skip


def test_losses_are_those_written_out(composed: Compose, batch: Any) -> None:
    module = exact(build(composed, *OWN))
    outputs = module(batch)
    plain = Plain(module, batch, W_G, W_D)
    made = plain.made()
    for name, picture in made.items():
        torch.testing.assert_close(outputs[name], picture, rtol=1e-5, atol=1e-6)
    found = module.discriminator_losses(batch, outputs)["loss"]
    torch.testing.assert_close(found, plain.of_discriminators(made), rtol=1e-6, atol=1e-6)
    terms = module.losses(batch, outputs)
    torch.testing.assert_close(terms["loss"], plain.of_generators(made), rtol=1e-6, atol=1e-6)
    assert set(terms) == {
        "loss", "l1", *(f"{kind}_{name}" for kind in ("gan", "l1") for name in made)
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_step_of_the_trainer_is_the_step_written_out(composed: Compose, batch: Any) -> None:
    module = exact(build(composed, *OWN, "model/metrics=translation"))
    copy = deepcopy(module)
    plain = Plain(copy, batch, W_G, W_D)
    adam: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
    judges = torch.optim.Adam(copy.discriminators.parameters(), **adam)
    makers = torch.optim.Adam(copy.network.parameters(), **adam)
    made = plain.made()
    d_loss = plain.of_discriminators(made)
    d_loss.backward()
    judges.step()
    g_loss = plain.of_generators(made)
    makers.zero_grad()
    g_loss.backward()
    makers.step()

    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1,
        num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    one: Any = [{"stains": {k: v[i] for k, v in batch["stains"].items()}} for i in (0, 1)]
    trainer.fit(module, DataLoader(one, batch_size=2), DataLoader(one[:1]))
    seen = trainer.callback_metrics
    assert float(seen["train/d_loss"]) == pytest.approx(d_loss.item(), abs=1e-6)
    assert float(seen["train/loss"]) == pytest.approx(g_loss.item(), rel=1e-6)
    for side in ("network", "discriminators"):
        pairs = zip(
            getattr(module, side).parameters(), getattr(copy, side).parameters(), strict=True
        )
        apart = torch.cat([(a - b).abs().flatten() for a, b in pairs])
        # Adam's first step is the sign of a gradient, which rounding decides where it is zero
        assert (apart > 1e-5).float().mean() < 0.01


def test_seg_flows_into_the_translators_and_discriminators_stay(
    composed: Compose, batch: Any
) -> None:
    module = build(composed, "model.generator_weights=[0,0,0,0,1]")
    module.losses(batch, module(batch))["loss"].backward()
    for net in module.network.translators.values():
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    module.zero_grad()
    module.discriminator_losses(batch, module(batch))["loss"].backward()
    assert all(p.grad is None for p in module.network.parameters())


def test_segmenters_without_a_share_are_asked_only_when_all_are(
    composed: Compose, batch: Any
) -> None:
    module = build(composed, "model/seg_weights=published_v1_2").eval()
    outputs = module(batch)
    assert [name for name in outputs if name.startswith("seg_")] == ["seg_ihc", "seg_marker"]
    mean = (outputs["seg_ihc"] + outputs["seg_marker"]) / 2
    torch.testing.assert_close(outputs["seg"], mean)
    assert list(module.maps(outputs)) == [*MODALITIES, "seg"]
    assert module.decoder.stains == (*MODALITIES, "seg")

    every = build(composed, "model/seg_weights=published_v1_2", "model.keep_segs=true").eval()
    every.load_state_dict(module.state_dict())
    names = [f"seg_{name}" for name in ("ihc", *MODALITIES)]
    assert every.decoder.stains == (*MODALITIES, "seg", *names)
    maps = every.maps(every(batch))
    assert set(maps) == {*MODALITIES, "seg", *names}
    torch.testing.assert_close(maps["seg"], module.maps(outputs)["seg"])


def test_a_tile_does_not_depend_on_its_batch(composed: Compose, batch: Any) -> None:
    module = build(composed).eval()
    image = module.picture(batch)
    together = module.tile_maps(image)
    alone = [module.tile_maps(image[i : i + 1]) for i in (0, 1)]
    for name, maps in together.items():
        parts = torch.cat([one[name] for one in alone])
        torch.testing.assert_close(maps, parts, rtol=1e-4, atol=1e-5)
        assert 0 <= float(maps.min()) <= float(maps.max()) <= 1


def test_the_true_cells_are_those_of_the_true_seg(composed: Compose, batch: Any) -> None:
    module = build(composed)
    truth = module.truth(batch, (SIDE, SIDE))
    stains = {name: stain[0].numpy() for name, stain in batch["stains"].items() if name != "ihc"}
    assert module.postprocess is not None
    expected = module.postprocess(stains)
    np.testing.assert_array_equal(truth["instances"][0].numpy(), expected.labels)
    np.testing.assert_array_equal(truth["semantic"][0].numpy(), expected.semantic_map())
    assert len(expected) > 3


def test_pictures_are_cut_to_bytes_as_the_original_cuts_them(composed: Compose) -> None:
    module = build(composed)
    said = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    maps = module.maps({"dapi": said})
    found = module.decoder.picture(maps["dapi"][0].numpy())
    original = ((said[0].numpy() + 1) / 2 * np.float32(255)).astype(np.uint8)
    np.testing.assert_array_equal(found, np.moveaxis(original, 0, -1))


def test_features_cost_and_are_no_part_of_a_checkpoint(composed: Compose, batch: Any) -> None:
    module = exact(build(composed))
    outputs = module(batch)
    without = module.losses(batch, outputs)["loss"]
    module.loss.features = lambda: VGG19Features(pretrained=None, width=2)
    terms = module.losses(batch, outputs)
    far = torch.stack([terms[f"features_{name}"] for name in MODALITIES])
    torch.testing.assert_close(terms["loss"], without + 100 * 0.2 * far.sum())
    assert (far > 0).all()
    assert "features_seg" not in terms
    assert len(module.state_dict()) == len(build(composed).state_dict())
    network: Any = module.loss._network
    made, true = (network(p) for p in (outputs["dapi"], 2 * batch["stains"]["dapi"] - 1))
    factors = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1]
    parts = [w * functional.l1_loss(a, b) for w, a, b in zip(factors, made, true, strict=True)]
    torch.testing.assert_close(terms["features_dapi"], torch.stack(parts).sum())


def test_without_seg_there_are_no_cells_and_without_modalities_only_cells(
    composed: Compose, batch: Any
) -> None:
    plain = build(composed, "model.outputs=[dapi]", "model.seg_weights=null")
    assert plain.decoder.kinds == {"stains"}
    assert plain.classes == ()
    assert list(plain.val_scores) == ["val/stains"]
    assert set(plain.losses(batch, plain(batch))) == {"loss", "l1", "gan_dapi", "l1_dapi"}
    only = build(composed, "model.outputs=[seg]", "model.seg_weights=null")
    assert only.network.seg_weights == {"ihc": 1.0}
    assert set(only.maps(only(batch))) == {"seg"}
    assert only.losses(batch, only(batch))["loss"].item() > 0


def test_several_inputs_are_seen_together(composed: Compose, batch: Any) -> None:
    module = build(
        composed, "model.inputs=[ihc,hematoxylin]", "model.outputs=[dapi,seg]",
        "model.seg_weights=null",
    )  # fmt: skip
    assert module.picture(batch).shape[1] == 6
    assert list(module.network.seg_weights) == ["ihc_hematoxylin", "dapi"]
    assert module.losses(batch, module(batch))["loss"].item() > 0
    assert module.discriminator_losses(batch, module(batch))["loss"].item() > 0


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (None, [0.25, 0.15, 0.25, 0.10, 0.25]),
        ("training", [0.25, 0.15, 0.25, 0.10, 0.25]),
        ("published_v1_2", [0.5, 0, 0, 0, 0.5]),
        ("uniform", None),
    ],
)
@pytest.mark.parametrize("verb", ["train", "evaluate", "predict"])
def test_shares_are_the_same_for_every_verb(
    verb: str, preset: str | None, expected: list[float] | None, composed: Compose
) -> None:
    chosen = [f"model/seg_weights={preset}"] if preset else []
    cfg = composed(verb, "model=deepliif", "data=deepliif_strips", *chosen)
    assert cfg.model.seg_weights == expected


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("model.seg_weights=[0.5,0.5]", "expected 5, for ihc, hematoxylin"),
        ("model.generator_weights=[0.5,0.5,0.5,0.5,0.5]", "add up to 1"),
        ("model.tile=72", "UNetGenerator takes multiples of 32 px"),
        ("model.gan=wgan", "'wgan' is unknown"),
    ],
)
def test_what_cannot_work_is_refused(more: str, why: str, composed: Compose) -> None:
    with pytest.raises(InstantiationException, match=why):
        build(composed, more)


def test_folders_of_the_original_come_in_as_they_went_out(
    composed: Compose, batch: Any, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    module = build(composed).eval()
    for scheme in ("old", "new"):
        folder = tmp_path / scheme
        write_deepliif(folder, module.folder(), scheme=scheme)  # type: ignore[arg-type]
        torch.manual_seed(2)
        again = build(composed, f"model.pretrained={folder}").eval()
        for name, maps in module.maps(module(batch)).items():
            torch.testing.assert_close(again.maps(again(batch))[name], maps, rtol=0, atol=0)
    assert (tmp_path / "old" / "latest_net_G51.pth").is_file()
    assert (tmp_path / "new" / "latest_net_DS0.pth").is_file()
    with pytest.raises(InstantiationException, match=r"padding='zero'.*padding='reflect'"):
        build(
            composed, f"model.pretrained={tmp_path / 'new'}",
            "model.network.translator.padding=reflect",
        )  # fmt: skip
    with pytest.raises(InstantiationException, match=r"has 4 translators, the model 3"):
        build(
            composed, f"model.pretrained={tmp_path / 'new'}",
            "model.outputs=[hematoxylin,dapi,marker,seg]", "model.seg_weights=null",
        )  # fmt: skip


def test_a_checkpoint_of_another_program_is_no_start(composed: Compose, tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="given as their folder"):
        build(composed).load_pretrained(path)
