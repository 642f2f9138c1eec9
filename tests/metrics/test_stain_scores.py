import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from histoseg.metrics import PerceptualScores, StainScores
from histoseg.metrics.functional import similarity

STAINS = ("dapi", "marker")


def batch(seed: int, images: int = 5) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """True pictures of two stains, one gray and one RGB, and worse or better translations."""
    rng = torch.Generator().manual_seed(seed)
    channels = {"dapi": 1, "marker": 3}
    true = {n: torch.rand(images, c, 20, 24, generator=rng) for n, c in channels.items()}
    noise = torch.linspace(0, 0.4, images).view(-1, 1, 1, 1)
    pred = {
        n: (x + noise * torch.randn(x.shape, generator=rng)).clamp(0, 1) for n, x in true.items()
    }
    return true, pred


def part(stains: dict[str, Tensor], rows: slice) -> dict[str, Tensor]:
    return {name: images[rows] for name, images in stains.items()}


def test_means_over_images_then_over_stains() -> None:
    true, pred = batch(0)
    metric = StainScores(STAINS)
    metric.update(true, pred)
    scores = metric.compute()
    for measure in ("ssim", "psnr", "mse"):
        for name in STAINS:
            rows = [
                similarity(a.movedim(0, -1).numpy(), b.movedim(0, -1).numpy())[measure]
                for a, b in zip(true[name], pred[name], strict=True)
            ]
            assert scores[f"{measure}/{name}"].item() == pytest.approx(sum(rows) / len(rows))
        both = torch.stack([scores[f"{measure}/{name}"] for name in STAINS])
        assert scores[measure] == both.mean()
    assert scores["psnr"] != 100  # one image of five is equal, and its 100 dB are in the mean


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (2, 3), (4, 1)])
def test_batches_do_not_matter(sizes: tuple[int, ...]) -> None:
    true, pred = batch(1)
    whole, parts = StainScores(STAINS), StainScores(STAINS)
    whole.update(true, pred)
    start = 0
    for size in sizes:
        rows = slice(start, start + size)
        parts.update(part(true, rows), part(pred, rows))
        start += size
    expected = whole.compute()
    assert all(torch.equal(value, expected[name]) for name, value in parts.compute().items())


def test_stains_of_one_side_or_not_asked_for_are_left_out() -> None:
    true, pred = batch(2)
    metric = StainScores(["marker", "lap2"])
    metric.update(true | {"lap2": true["marker"]}, pred)
    scores = metric.compute()
    assert scores["ssim"] == scores["ssim/marker"]
    assert torch.isnan(scores["ssim/lap2"])
    assert not [name for name in scores if "dapi" in name]


def test_no_stain_in_common_is_an_error() -> None:
    true, pred = batch(3)
    with pytest.raises(ValueError, match=r"nothing to score: of \['dapi'\].*\['marker'\]"):
        StainScores(["dapi"]).update(true, {"marker": pred["marker"]})


@pytest.mark.parametrize("names", [[], ["dapi", "dapi"]])
def test_each_stain_is_named_once(names: list[str]) -> None:
    with pytest.raises(ValueError, match="once"):
        StainScores(names)


def test_a_collection_passes_what_is_named() -> None:
    true, pred = batch(4)
    metrics = MetricCollection({"stains": StainScores(STAINS)}, prefix="val/")
    metrics.update(stains=true, pred_stains=pred, image=torch.zeros(1))
    names = {f"{m}{s}" for m in ("ssim", "psnr", "mse") for s in ("", "/dapi", "/marker")}
    assert set(metrics.compute()) == {f"val/{name}" for name in names}


def test_a_window_reaches_ssim_alone() -> None:
    true, pred = batch(5)
    scores = []
    for window in ("gaussian", "uniform"):
        metric = StainScores(STAINS, window=window)
        metric.update(true, pred)
        scores.append(metric.compute())
    assert scores[0]["ssim"] != scores[1]["ssim"]
    assert scores[0]["psnr"] == scores[1]["psnr"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: 255 * x, r"translation to dapi came in \[\S+, \S+\], expected \[0, 1\]"),
        (lambda x: 2 * x - 1, r"came in \[-1"),
        (lambda x: x[..., 1:], "of one size"),
        (lambda x: x[0], "of one size"),
        (lambda x: (255 * x).byte(), r"torch\.uint8"),
    ],
)
def test_another_range_or_size_is_refused(change: object, message: str) -> None:
    true, pred = batch(6)
    with pytest.raises(ValueError, match=message):
        StainScores(["dapi"]).update(true, {"dapi": change(pred["dapi"])})


class MeanDifference(torch.nn.Module):
    """A distance whose result is known; gray or RGB."""

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        return (images - others).abs().mean(dim=(1, 2, 3))


def test_an_injected_network_is_averaged_and_shared_by_copies() -> None:
    true, pred = batch(7)
    metric = PerceptualScores(STAINS, MeanDifference())
    copy = metric.clone()
    assert copy.network is metric.network
    assert not list(metric.children())
    copy.update(true, pred)
    expected = (true["dapi"] - pred["dapi"]).abs().mean()
    assert copy.compute()["lpips/dapi"].item() == pytest.approx(expected.item(), abs=1e-6)
