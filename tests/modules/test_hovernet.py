"""What HoVer-Net does between batch and score."""

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from conftest import Compose
from histoseg.contracts import Sample
from histoseg.data import TileDataModule
from histoseg.metrics import InstanceScores
from histoseg.modules.hovernet import HoVerNet


def built(composed: Compose, *more: str) -> tuple[HoVerNet, Sample]:
    more = ("data.num_workers=0", "data.batch_size=2", "data.splits.train.length=4", *more)
    cfg = composed("train", "model=hovernet", "data=synthetic", *more, tiny="hovernet")
    data: TileDataModule = instantiate(cfg.data)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    return instantiate(cfg.model), batch


def test_all_terms_are_finite_and_reach_every_parameter(composed: Compose) -> None:
    module, batch = built(composed)
    terms = module.losses(batch, module(batch))
    assert terms.keys() == {"loss", *module.weights}
    terms["loss"].backward()
    assert all(torch.isfinite(value) for value in terms.values())
    assert all(p.grad is not None for p in module.network.parameters())


def test_a_batch_without_a_single_nucleus_has_a_finite_loss_and_gradient(composed: Compose) -> None:
    module, batch = built(composed)
    batch["instances"].zero_()
    batch["semantic"].zero_()
    loss = module.losses(batch, module(batch))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in module.network.parameters())


def test_weights_multiply_the_terms(composed: Compose) -> None:
    module, batch = built(composed, "model.weights.hv_msge=2")
    with torch.no_grad():
        terms = module.losses(batch, module(batch))
    total = sum(v for k, v in terms.items() if k != "loss") + terms["hv_msge"]
    assert float(terms["loss"]) == pytest.approx(float(total), rel=1e-6)


def test_a_perfect_network_is_decoded_to_the_annotation(composed: Compose) -> None:
    module, batch = built(composed, "model.tile=256", "data.tile=256")
    maps = module.targets(batch)
    assert maps.keys() == {"np", "hv", "tp"}
    decoded = module.decode(maps)
    edge = module.margin
    truth = batch["instances"][:, edge:-edge, edge:-edge]
    scores = InstanceScores()
    scores.update(truth, decoded["pred_instances"])
    assert float(scores.compute()["pq"]) > 0.8
    found = decoded["pred_instances"] > 0
    semantic = batch["semantic"][:, edge:-edge, edge:-edge]
    assert (decoded["pred_semantic"] == semantic)[found].float().mean() > 0.95


def test_maps_have_the_ranges_they_promise(composed: Compose) -> None:
    module, batch = built(composed)
    maps = module.maps(module(batch))
    assert maps.keys() == {"np", "hv", "tp"}
    assert maps["np"].shape[1] == 1
    assert 0 <= maps["np"].min() <= maps["np"].max() <= 1
    torch.testing.assert_close(maps["tp"].sum(1), torch.ones_like(maps["tp"][:, 0]))


def test_without_classes_there_is_no_class_branch(composed: Compose) -> None:
    module, batch = built(composed, "model.classes=[]", "model.colours=[]")
    assert module.maps(module(batch)).keys() == {"np", "hv"}
    assert "tp_bce" not in module.losses(batch, module(batch))
    assert module.decode(module.maps(module(batch)))["pred_semantic"].max() == 0


def test_a_whole_image_is_inferred_in_its_own_frame(composed: Compose) -> None:
    module, _ = built(composed)
    module.eval()
    maps = module.infer(torch.rand(1, 3, 150, 90))
    assert {m.shape[-2:] for m in maps.values()} == {(150, 90)}


def test_a_larger_tile_is_cropped_after_the_targets_are_made(composed: Compose) -> None:
    """A nucleus cut by the crop keeps the distances it has as a whole."""
    module, batch = built(composed, "data.tile=160")
    small = module.targets(batch)["hv"]
    assert small.shape[-2:] == (36, 36)
    assert module(batch)["hv"].shape == small.shape


def test_a_margin_that_is_not_the_networks_is_refused(composed: Compose) -> None:
    with pytest.raises(InstantiationException, match=r"set model\.margin=46"):
        built(composed, "model.margin=40")


def test_the_loss_axes_of_the_reference_differ_from_the_papers(composed: Compose) -> None:
    module, batch = built(composed)
    with torch.no_grad():
        outputs = module(batch)
        paper = module.losses(batch, outputs)["hv_msge"]
        module.msge_axes = "reference"
        assert float(module.losses(batch, outputs)["hv_msge"]) != pytest.approx(float(paper))


@pytest.mark.parametrize("choice", ["focal", "tversky", "unified_focal"])
def test_other_losses_replace_those_of_the_classes(composed: Compose, choice: str) -> None:
    module, batch = built(composed, f"model/losses={choice}")
    terms = module.losses(batch, module(batch))
    assert terms.keys() == {"loss", *module.weights}
    assert not {"np_bce", "tp_bce"} <= terms.keys() or "np_dice" not in terms
    terms["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.network.parameters())
    without, batch = built(composed, f"model/losses={choice}", "model.classes=[]")
    names = without.losses(batch, without(batch)).keys()
    assert not any(name.startswith("tp") for name in names)


def test_a_term_can_be_added_and_left_out(composed: Compose) -> None:
    focal = "{_target_: histoseg.losses.focal, _partial_: true, gamma: 3}"
    more = (f"+model.losses.tp_hard={focal}", "+model.weights.tp_hard=5")
    module, batch = built(composed, *more, "model.losses.tp_bce=null")
    with torch.no_grad():
        terms = module.losses(batch, module(batch))
    assert terms.keys() == {"loss", "np_bce", "np_dice", "hv_mse", "hv_msge", "tp_dice", "tp_hard"}
    sums = sum(module.weights[k] * float(v) for k, v in terms.items() if k != "loss")
    assert float(terms["loss"]) == pytest.approx(sums, rel=1e-5)


def test_a_recipe_stored_before_there_was_a_choice_gives_the_published_terms(
    composed: Compose,
) -> None:
    module, batch = built(composed)
    before, _ = built(composed, "~model.losses")
    before.load_state_dict(module.state_dict())
    with torch.no_grad():
        a, b = (m.losses(batch, m(batch)) for m in (module, before))
    assert list(a) == list(b)
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+model.weights.np_focal=1", r"names \['np_focal'\], which are no terms"),
        ("~model.weights.hv_mse", r"lacks \['hv_mse'\]"),
        ("+model.losses.hv_focal={_target_: histoseg.losses.focal}", "of no branch"),
    ],
)
def test_terms_and_weights_that_do_not_fit_are_refused(
    composed: Compose, override: str, message: str
) -> None:
    override = override.replace("focal}", "focal, _partial_: true}")
    with pytest.raises(InstantiationException, match=message):
        built(composed, override)


@pytest.mark.parametrize("losses", ["published", "focal", "tversky", "unified_focal"])
def test_ignored_pixels_are_not_trained(composed: Compose, losses: str) -> None:
    module, batch = built(composed, f"model/losses={losses}")
    module.eval()
    batch["ignore"] = torch.zeros(batch["instances"].shape, dtype=torch.bool)
    with torch.no_grad():
        outputs = module(batch)
        free = module.losses(batch, outputs)
        without = module.losses({k: v for k, v in batch.items() if k != "ignore"}, outputs)
        assert all(float(free[k]) == pytest.approx(float(without[k]), rel=1e-5) for k in free)
        batch["ignore"][:, :, : batch["ignore"].shape[2] // 2] = True
        half = module.losses(batch, outputs)
        wild = {name: value.clone() for name, value in outputs.items()}
        for value in wild.values():
            value[..., : value.shape[-1] // 2 - 2] = 9  # 2 px from what counts: msge looks as far
        again = module.losses(batch, wild)
    assert float(half["loss"]) != pytest.approx(float(free["loss"]), rel=1e-5)
    for name, value in half.items():
        assert float(again[name]) == pytest.approx(float(value), rel=1e-4), name


def test_ignored_objects_are_not_scored(composed: Compose) -> None:
    module, batch = built(composed)
    maps = module.targets(batch)
    batch["ignore"] = torch.zeros(batch["instances"].shape, dtype=torch.bool)
    before = module._score(module.val_scores, batch, maps)
    batch["ignore"][:] = True
    after = module._score(module.val_scores, batch, maps)
    for key in ("instances", "semantic", "pred_instances", "pred_semantic"):
        assert before[key].any()
        assert not after[key].any()
