"""What ImPartial does between batch and score."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from conftest import Compose
from histoseg.contracts import Plane, Sample
from histoseg.data import TileDataModule
from histoseg.errors import CheckpointError, ContractError
from histoseg.modules.impartial import ImPartial
from histoseg.modules.impartial_pictures import binary_entropy
from histoseg.modules.impartial_tasks import check_strokes, mixture_tasks
from histoseg.weights.impartial import write_official

TASKS = {"cells": ["cell"], "nuclei": ["inside", "bare"]}
SEVERAL = (
    "+data.tasks.nuclei=[inside,bare]",
    "data.objects=nuclei",
    "data.classes=[inside, bare]",
    "data.dataset.bare=0.4",
    "model.mixture.components={cells: [2, 2], nuclei: [1, 1, 2]}",
    "model.mixture.explained={cells: [membrane], nuclei: [nuclei]}",
)


def built(composed: Compose, *more: str) -> tuple[ImPartial, Sample]:
    small = ("data.num_workers=0", "data.batch_size=4", "data.splits.train.length=1")
    size = ("data.dataset.size=64", "data.dataset.cells=6")
    own = ("model=impartial", "data=synthetic_scribbles", *small, *size, *more)
    cfg = composed("train", *own, tiny="impartial")
    module: ImPartial = instantiate(cfg.model)
    data: TileDataModule = instantiate(cfg.data, normalise=module.normalise)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    return module, batch


@pytest.mark.parametrize(
    "more",
    [
        (),
        SEVERAL,
        ("model.objective.log_std=true", "model.objective.distribution=laplacian"),
        ("model/objective=denoiseg",),
        ("model/objective=mumford_shah",),
        ("model.network.batch_norm=true", "model.network.activation=elu"),
    ],
    ids=str,
)
def test_all_terms_are_finite_and_reach_every_parameter(
    composed: Compose, more: tuple[str, ...]
) -> None:
    module, batch = built(composed, *more)
    terms = module.losses(batch, module(batch))
    assert set(terms) >= {"loss", "foreground", "background", "reconstruction"}
    terms["loss"].backward()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(p.grad is not None for p in module.network.parameters())


def test_outputs_are_those_of_the_published_tables(composed: Compose) -> None:
    for more, outputs in (((), 12), (SEVERAL, 16), (("model/objective=denoiseg",), 6)):
        assert built(composed, *more)[0].network.outputs == outputs


def test_maps_are_probabilities_of_each_task_and_class(composed: Compose) -> None:
    module, batch = built(composed, *SEVERAL)
    module.eval()
    maps = module.infer(batch["image"])
    assert set(maps) == {f"{t}{m}" for t in TASKS for m in ("", "_variance", "_entropy")}
    assert maps["nuclei"].shape == (4, 2, 32, 32)
    assert maps["nuclei"].sum(1).max() <= 1 + 1e-6
    assert 0 <= maps["cells"].min() <= maps["cells"].max() <= 1
    assert maps["cells_variance"].max() > 0
    passes = module._classes(batch["image"])["cells"]
    assert len(passes) == 2
    torch.testing.assert_close(maps["cells"], passes.mean(0))
    torch.testing.assert_close(maps["cells_variance"], passes.var(0, unbiased=False))
    torch.testing.assert_close(maps["cells_entropy"], binary_entropy(maps["cells"]))


def test_one_pass_without_dropout_has_no_variance(composed: Compose) -> None:
    module, batch = built(composed, "model.passes=0")
    module.eval()
    maps = module.infer(batch["image"])
    assert set(maps) == {"cells", "cells_entropy"}
    with torch.no_grad():
        (task,) = module.loss.layout.read(module.network(batch["image"]))
    torch.testing.assert_close(maps["cells"].flatten(2), task.classes[:, :1])


def test_a_picture_is_taken_whole_or_in_tiles(composed: Compose) -> None:
    module, _ = built(composed, "model.passes=0")
    module.eval()
    image = torch.rand(1, 2, 50, 40)
    with torch.no_grad():
        whole = module.maps(module({"image": image}))
    torch.testing.assert_close(module.infer(image)["cells"], whole["cells"])
    large = torch.rand(1, 2, 130, 75)
    tiled = module.infer(large, overlap=32)["cells"]
    assert tiled.shape == (1, 1, 130, 75)
    assert module.infer(torch.rand(1, 2, 3, 90))["cells"].shape == (1, 1, 3, 90)
    with torch.no_grad():
        at_once = module.maps(module({"image": large}))["cells"]
    assert (tiled - at_once).abs().mean() < 0.01


def test_stochastic_passes_are_the_same_again_and_in_other_batches(composed: Compose) -> None:
    module, batch = built(composed)
    module.eval()
    first = module.infer(batch["image"])
    torch.rand(3)
    again = module.infer(batch["image"])
    alone = module.infer(batch["image"][2:3])
    for name, m in first.items():
        assert torch.equal(m, again[name])
        torch.testing.assert_close(m[2:3], alone[name], rtol=1e-4, atol=1e-5)


def test_a_perfect_network_is_decoded_to_the_annotation(composed: Compose) -> None:
    module, batch = built(composed, *SEVERAL, "model.postprocess.grow=0", "data.dataset.bare=0.7")
    batch["scribbles"] = torch.zeros_like(batch["scribbles"])
    for k in (1, 2):
        batch["scribbles"][:, 1 + k] = batch["semantic"] == k
    found = module.decode(module.targets(batch))
    agree = found["pred_semantic"] == batch["semantic"]
    assert agree.float().mean() > 0.98
    assert found["pred_semantic"].unique().tolist() == [0, 1, 2]


def test_validation_hides_nothing_and_training_does(composed: Compose) -> None:
    module, batch = built(composed)
    assert module.train()(batch)["blind"].float().mean() == pytest.approx(0.05, abs=0.02)
    outputs = module.eval()(batch)
    assert outputs["blind"].all()
    assert outputs["raw"].shape[:2] == (2, 4), "two passes of four tiles"
    newest, _ = built(composed, "model.blind.validation=true", "model.val_passes=0")
    outputs = newest.eval()(batch)
    assert not outputs["blind"].all()
    assert outputs["raw"].ndim == 4


def test_the_threshold_of_the_configuration_beats_the_tuned_one(composed: Compose) -> None:
    module, _ = built(composed)
    module.tuned.fill_(0.75)
    assert module.decoder.postprocess.threshold == (0.75,)  # type: ignore[union-attr]
    fixed, _ = built(composed, "model.postprocess.threshold=0.3")
    fixed.tuned.fill_(0.75)
    assert fixed.decoder.postprocess.threshold == 0.3  # type: ignore[union-attr]


def test_official_weights_and_our_own_are_loaded(composed: Compose, tmp_path: Path) -> None:
    module, _ = built(composed)
    path = tmp_path / "model_best.pth"
    write_official(path, module.network.state_dict())
    ckpt = tmp_path / "best.ckpt"
    torch.save({"histoseg": {}, "state_dict": module.state_dict()}, ckpt)
    for source in (path, ckpt):
        other, _ = built(composed, "seed=1", f"model.pretrained={source}")
        for key, value in module.network.state_dict().items():
            assert torch.equal(other.network.state_dict()[key], value)
        assert not other.untrained
    other, _ = built(composed, *SEVERAL, f"model.pretrained={path}")
    assert "the file gives 12 maps" in other.untrained
    assert torch.equal(
        other.network.state_dict()["stem.first.conv.weight"],
        module.network.state_dict()["stem.first.conv.weight"],
    )
    with pytest.raises(InstantiationException) as error:
        built(composed, f"model.pretrained={path}", "model.network.width=6")
    assert isinstance(error.value.__cause__, CheckpointError)
    assert "does not fit the configured network" in str(error.value.__cause__)


def test_scribbles_of_other_tasks_are_refused(composed: Compose) -> None:
    module, batch = built(composed)
    batch["scribbles"] = batch["scribbles"][:, [0, 1, 1]]
    with pytest.raises(ContractError, match="have 3 planes, the model's tasks"):
        module.losses(batch, module(batch))


def test_images_of_other_channels_are_refused(composed: Compose) -> None:
    module, batch = built(composed)
    batch["image"] = torch.rand(4, 3, 32, 32)
    with pytest.raises(ValueError, match=r"takes images \(B, 2, H, W\).*choose other channels"):
        module(batch)


def test_no_strokes_end_the_training_and_some_missing_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    planes = [Plane("a", "x"), Plane("a", "background"), Plane("b", "y"), Plane("b", "background")]
    with pytest.raises(ContractError, match="no stroke of any class"):
        check_strokes(planes, [0, 9, 0, 9])
    with caplog.at_level(logging.WARNING):
        check_strokes(planes, [9, 9, 9, 9])
        assert not caplog.records
        check_strokes(planes, [9, 9, 0, 0])
    assert "no stroke of 'y' of task 'b'" in caplog.text
    assert "no stroke of 'background' of task 'b'" in caplog.text


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"components": {"cells": [2, 2]}}, r"components of task 'nuclei' are \[\]: expected 3"),
        ({"components": {"cell": [2, 2]}}, "components names task 'cell'"),
        ({"explained": {"cells": ["dapi"]}}, "explains channel 'dapi'"),
        ({"class_weights": {"nuclei": [1.0]}}, "give one each"),
        ({"task_weights": {"other": 1.0}}, "task_weights names task 'other'"),
    ],
)
def test_names_of_tasks_and_channels_are_checked(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        mixture_tasks(TASKS, ["membrane", "nuclei"], **settings)
    with pytest.raises(ValueError, match="one different name"):
        mixture_tasks(TASKS, ["a", "a"])


def test_weights_of_tasks_classes_and_channels() -> None:
    cells, nuclei = mixture_tasks(
        TASKS,
        ["membrane", "nuclei"],
        task_weights={"cells": 0.7, "nuclei": 0.3},
        class_weights={"nuclei": [0.9, 0.1]},
        channel_weights={"cells": [0.8, 0.2]},
    )
    assert cells.plane_weights() == [0.7, 0.7]
    assert nuclei.plane_weights() == pytest.approx([0.27, 0.03, 0.3])
    assert cells.reconstruction_weights() == pytest.approx([0.56, 0.14])
    assert nuclei.reconstruction_weights() == pytest.approx([0.15, 0.15])


@pytest.mark.parametrize("more", ["model.objects=organs", "model.tune=luck"])
def test_odd_settings_are_refused(composed: Compose, more: str) -> None:
    with pytest.raises(InstantiationException, match=r"organs|luck"):
        built(composed, more)
