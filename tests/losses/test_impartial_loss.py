import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.losses import ImPartialLoss, MixtureLayout, MixtureTask
from histoseg.losses.mixture import class_sums
from histoseg.losses.scribbles import scribble_loss

WEIGHTS = {"foreground": 0.45, "background": 0.45, "reconstruction": 0.1}
A = MixtureLayout((MixtureTask((2, 2), (0, 1)),))
B = MixtureLayout((MixtureTask((2, 2), (0,), weight=0.5), MixtureTask((1, 1, 2), (1,), weight=0.5)))
SPREAD = replace(A, log_std=True)
PLANES = {A: 2, B: 5, SPREAD: 2}
REG, L2, LAPLACIAN = {"regularisation": 0.05}, {"variation": "l2"}, {"distribution": "laplacian"}
ORDER = ("foreground", "background", "reconstruction", "regularisation", "loss")
FORE, BACK = 0.8933315266, 0.8869850048
VECTORS: list[tuple[str, MixtureLayout, int, dict[str, float], dict[str, Any], Any]] = [
    ("A", A, 0, {}, {}, (FORE, BACK, 1.1165375530, None, 0.9127961944)),
    ("A, T=3", A, 3, {}, {}, (0.8922358870, 0.9013385367, 1.1380808822, None, 0.9209165789)),
    ("A, L1", A, 0, REG, {}, (FORE, BACK, 1.1165375530, 0.0330727714, 0.9144498330)),
    ("A, L2", A, 0, REG, L2, (FORE, BACK, 1.1165375530, 0.0019607923, 0.9128942340)),
    ("A, std", SPREAD, 0, {}, {}, (FORE, BACK, 1.2846196730, None, 0.9296044064)),
    ("A, laplacian", SPREAD, 0, {}, LAPLACIAN, (FORE, BACK, 1.4260232080, None, 0.9437447599)),
    ("B", B, 0, {}, {}, (1.2685685851, 0.8791207471, 1.2417362409, None, 1.0906338236)),
    ("B, T=3", B, 3, {}, {}, (1.2685640584, 0.8805508935, 1.2628984510, None, 1.0933915734)),
]


def vector(layout: MixtureLayout, passes: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Network output, image, scribbles and blind spots of section 2.7, float64."""
    b, c, y, x = np.ogrid[:3, : layout.outputs, :16, :20]
    raw = 1.5 * np.sin(0.7 * c + 0.31 * y + 0.17 * x + 0.9 * b) + 0.2 * np.cos(1.3 * c * b)
    if passes:
        t = np.arange(passes).reshape(-1, 1, 1, 1, 1)
        raw = raw + 0.3 * np.cos(1.1 * t + 0.2 * c + 0.05 * y * x)
    _, c, _, _ = np.ogrid[:3, :2, :16, :20]
    image = 0.5 + 0.4 * np.sin(0.4 * y + 0.2 * c) * np.cos(0.3 * x - 0.5 * b)
    blind = ((y * 20 + x) * (c + 2) + b) % 13 == 0
    _, c, _, _ = np.ogrid[:3, : PLANES[layout], :16, :20]
    scribbles = ((3 * y + 5 * x + 7 * c + b) % 11 == 0) & (b < 2)
    return tuple(torch.from_numpy(a) for a in (raw, image, scribbles, blind))  # type: ignore[return-value]


def test_the_vectors_are_those_of_the_specification() -> None:
    raw, image, scribbles, blind = vector(A)
    assert raw.sum().item() == pytest.approx(568.648920, abs=1e-6)
    assert image.sum().item() == pytest.approx(960.017781, abs=1e-6)
    assert (int(scribbles.sum()), int(vector(B)[2].sum()), int(blind.sum())) == (117, 291, 148)


@pytest.mark.parametrize(
    ("layout", "passes", "weights", "settings", "expected"),
    [case[1:] for case in VECTORS],
    ids=[case[0] for case in VECTORS],
)
def test_the_reference_gives_the_same(
    layout: MixtureLayout,
    passes: int,
    weights: dict[str, float],
    settings: dict[str, Any],
    expected: tuple[float | None, ...],
) -> None:
    loss = ImPartialLoss(layout, {**WEIGHTS, **weights}, **settings)
    terms = loss(*vector(layout, passes))
    for name, value in zip(ORDER, expected, strict=True):
        assert (name in terms) == (value is not None)
        if value is not None:
            assert terms[name].item() == pytest.approx(value, abs=1e-9), name


def test_golden_terms(shared_golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(shared_golden))
    import deterministic_weights as fixed

    name = "impartial_unet_base64_depth4"
    golden = json.loads((shared_golden / f"{name}.loss.json").read_text())["objectives"]
    tasks = (MixtureTask((2, 2), (0, 1), weight=0.5), MixtureTask((1, 2), (0,), weight=0.5))
    image = torch.from_numpy(fixed.golden_input(name, [2, 2, 96, 96], 0, 1))
    with np.load(shared_golden / f"{name}.npz") as arrays:
        raw, scribbles, visible = (
            torch.from_numpy(arrays[key]) for key in ("eval", "scribble", "visible")
        )
    terms = ImPartialLoss(MixtureLayout(tasks), WEIGHTS)(raw, image, scribbles > 0, visible == 0)
    for ours, theirs in (
        ("foreground", "seg_fore"),
        ("background", "seg_back"),
        ("reconstruction", "rec"),
    ):
        assert terms[ours].item() == pytest.approx(golden[theirs], abs=2e-6)


@pytest.mark.parametrize("passes", [0, 3])
def test_probabilities_are_those_of_the_reference(passes: int) -> None:
    (task,) = A.read(vector(A, passes)[0])
    probability = task.classes[..., 0, :]
    mean = probability.mean(0) if passes else probability
    expected = (0.4790611566, 0.3251120943) if passes else (0.4765071717, 0.3110785491)
    assert (mean.mean().item(), mean[0, 0].item()) == pytest.approx(expected, abs=1e-9)
    if passes:
        variance = probability.var(0, unbiased=False).mean().item()
        assert variance == pytest.approx(1.328530088e-4, abs=1e-12)


def test_classes_and_background_sum_to_one() -> None:
    for task in B.read(vector(B)[0]):
        torch.testing.assert_close(task.classes.sum(1), torch.ones(3, 320, dtype=torch.float64))


def test_order_of_components_within_a_class_does_not_matter() -> None:
    raw, *rest = vector(B)
    order = list(range(16))
    for start in (0, 4, 8, 12):  # logits and means of the two tasks: 4 and 4, then 4 and 4
        a, b = (start, start + 1) if start < 8 else (start + 2, start + 3)
        order[a], order[b] = b, a
    loss = ImPartialLoss(B, {**WEIGHTS, **REG})
    plain, permuted = loss(raw, *rest), loss(raw[:, order], *rest)
    assert not torch.equal(raw, raw[:, order])
    for name, value in plain.items():
        torch.testing.assert_close(permuted[name], value, rtol=1e-12, atol=0)


def test_images_without_strokes_do_not_change_what_strokes_cost() -> None:
    raw, image, scribbles, blind = vector(A)
    loss = ImPartialLoss(A, WEIGHTS)
    every, some = loss(raw, image, scribbles, blind), loss(raw[:2], *(m[:2] for m in vector(A)[1:]))
    for name in ("foreground", "background"):
        torch.testing.assert_close(every[name], some[name])


@pytest.mark.parametrize("plane", [None, 0, 1])
def test_planes_without_a_stroke_cost_nothing(plane: int | None) -> None:
    raw, image, scribbles, blind = vector(A)
    scribbles = scribbles.clone()
    scribbles[:, slice(None) if plane is None else plane] = False
    raw = raw.clone().requires_grad_()
    terms = ImPartialLoss(A, WEIGHTS)(raw, image, scribbles, blind)
    assert (terms["foreground"] == 0) == (plane != 1)
    assert (terms["background"] == 0) == (plane != 0)
    terms["loss"].backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_an_image_without_blind_spots_costs_nothing_in_place_of_nan() -> None:
    raw, image, scribbles, blind = vector(A)
    terms = ImPartialLoss(A, WEIGHTS)(raw, image, scribbles, torch.zeros_like(blind))
    assert terms["reconstruction"] == 0


def test_a_component_that_is_nowhere_gives_finite_gradients() -> None:
    raw, image, scribbles, blind = (m.float() if m.is_floating_point() else m for m in vector(A))
    raw = raw.clone()
    raw[:, 0] = -1e4
    raw.requires_grad_()
    terms = ImPartialLoss(A, WEIGHTS)(raw, image, scribbles, blind)
    terms["loss"].backward()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()


def test_mixed_precision_does_not_reach_the_loss() -> None:
    raw, image, scribbles, blind = (m.float() if m.is_floating_point() else m for m in vector(A))
    loss = ImPartialLoss(A, WEIGHTS)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(raw, image, scribbles, blind)["loss"]
    assert mixed == loss(raw, image, scribbles, blind)["loss"]


def test_baselines() -> None:
    raw, image, scribbles, blind = vector(A)
    alone = MixtureLayout((MixtureTask((2, 2), (0, 1)),), means=False)
    weights = {"foreground": 0.5, "background": 0.5}
    terms = ImPartialLoss(alone, weights, reconstruction="none")(
        raw[:, :4], image, scribbles, blind
    )
    assert terms["foreground"].item() == pytest.approx(0.8933315266, abs=1e-9)
    assert terms["loss"].item() == pytest.approx((0.8933315266 + 0.8869850048) / 2, abs=1e-9)

    direct = replace(alone, direct=2)
    assert (alone.outputs, direct.outputs) == (4, 6)
    picture = ImPartialLoss(direct, {"reconstruction": 1.0}, reconstruction="picture")
    error = (image - raw[:, 4:6]).square() * blind
    expected = (error.sum((2, 3)) / blind.sum((2, 3))).mean()
    made = picture(raw[:, :6], image, scribbles, blind)["reconstruction"]
    torch.testing.assert_close(made, expected)

    shah = ImPartialLoss(alone, {"reconstruction": 1.0}, reconstruction="mumford_shah")
    share = raw[:, :4].softmax(1)
    costs = []
    for channel in (0, 1):
        for b in range(3):
            mean = (image[b, channel] * share[b]).sum((1, 2)) / share[b].sum((1, 2))
            costs.append(((image[b, channel] - mean[:, None, None]) ** 2 * share[b]).sum(0).mean())
    made = shah(raw[:, :4], image, scribbles, blind)["reconstruction"]
    torch.testing.assert_close(made, torch.stack(costs).mean())


@pytest.mark.parametrize(("form", "expected"), [("l1", 0.6), ("l2", 0.36)])
def test_other_forms_of_the_scribble_loss(form: str, expected: float) -> None:
    strokes = torch.tensor([[[True, False]]])
    cost = scribble_loss(torch.tensor([[[0.4, 0.9]]]), strokes, form)  # type: ignore[arg-type]
    assert cost.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reconstruction": "mix"},
        {"distribution": "normal"},
        {"form": "dice"},
        {"variation": "tv"},
        {"weights": {"fore": 1.0}},
        {"weights": {"foreground": 0.0}},
    ],
)
def test_unknown_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))[:4].strip("{'")):
        ImPartialLoss(**{"layout": A, "weights": WEIGHTS, **wrong})  # type: ignore[arg-type]


def test_tasks_and_sums_that_do_not_fit_are_refused() -> None:
    for wrong in (
        {"components": (2,)},
        {"components": (2, 0)},
        {"components": (2, 2), "class_weights": (0.5, 0.5)},
        {"components": (2, 2), "channel_weights": (0.5, 0.5)},
    ):
        with pytest.raises(ValueError, match=r"expected 1 or more|give one each"):
            MixtureTask(**{"channels": (0,), **wrong})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 components"):
        class_sums(torch.ones(3, 2), (2, 2))
