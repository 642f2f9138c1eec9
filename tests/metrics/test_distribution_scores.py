import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from histoseg.errors import UnreadableFileError
from histoseg.metrics import DistributionScores
from histoseg.metrics.functional.frechet import frechet_distance, gaussian
from histoseg.metrics.functional.inception_score import inception_score
from histoseg.metrics.functional.kernel_distance import squared_mmd

DOMAINS = ("he", "ihc")
WIDTH, CLASSES = 6, 4


class TinyExtractor(nn.Module):
    """Random convolutions of uint8 pictures; with a head it is a classifier too."""

    def __init__(self, seed: int = 0, logits: bool = False) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Conv2d(3, WIDTH, 3)
        self.head = nn.Linear(WIDTH, CLASSES) if logits else None
        self.images = 0

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        self.images += len(images)
        features = self.layers(images / 255).relu().mean(dim=(2, 3))
        return features if self.head is None else (features, 30 * self.head(features))


def pictures(seed: int, count: int, dark: float = 0.0, channels: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    shade = torch.rand(count, channels, 1, 1, generator=rng)
    grain = torch.rand(count, channels, 12, 12, generator=rng)
    return ((1 - dark) * (0.5 * shade + 0.5 * grain) * 255).round().byte()


REAL = {"he": pictures(0, 40), "ihc": pictures(1, 30)}
FAKE = {"he": pictures(2, 25, dark=0.5), "ihc": pictures(3, 35)}


@pytest.fixture(autouse=True)
def _small_on_purpose() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fid/")
        yield


def scored(
    real: dict[str, Tensor], fake: dict[str, Tensor], metric: DistributionScores | None = None
) -> dict[str, float]:
    metric = metric or DistributionScores(DOMAINS, TinyExtractor())
    metric.update(real, fake)
    return {name: value.item() for name, value in metric.compute().items()}


def features(images: Tensor) -> np.ndarray:
    with torch.no_grad():
        return TinyExtractor()(images).numpy()


def test_both_directions_by_the_formulas() -> None:
    found = scored(REAL, FAKE)
    for name in DOMAINS:
        real, fake = features(REAL[name]), features(FAKE[name])
        expected = frechet_distance(gaussian(real), gaussian(fake))
        assert found[f"fid/{name}"] == pytest.approx(expected, rel=1e-5)
        assert found[f"kid/{name}"] == pytest.approx(squared_mmd(real, fake), rel=1e-5)
        assert np.isnan(found[f"kid_std/{name}"])
    assert found["fid/he"] > 5 * found["fid/ihc"]
    assert "is/he" not in found


def test_identical_sets_are_0_in_any_order() -> None:
    found = scored(REAL, {name: images.flip(0) for name, images in REAL.items()})
    scale = np.trace(gaussian(features(REAL["he"]))[1])
    assert abs(found["fid/he"]) < 1e-6 * scale
    assert found["kid/he"] < 0  # unbiased, so below 0 where even the sample is the same


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scale_and_type_of_the_input_change_nothing(dtype: torch.dtype) -> None:
    as_floats = [{n: x.to(dtype) / 255 for n, x in side.items()} for side in (REAL, FAKE)]
    expected = scored(REAL, FAKE)
    for real, fake in ((as_floats[0], FAKE), (REAL, as_floats[1]), as_floats):
        assert scored(real, fake) == pytest.approx(expected, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (REAL["he"].float(), r"translation to he came in \[\S+, 25\d\], expected \[0, 1\]"),
        (REAL["he"] / 127.5 - 1, r"came in \[-0.99"),
    ],
)
def test_another_range_is_refused_and_said(wrong: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scored(REAL, {"he": wrong})


def test_batches_and_their_order_change_nothing_but_the_last_digits() -> None:
    expected = scored(REAL, FAKE)
    metric = DistributionScores(DOMAINS, TinyExtractor())
    metric.update({}, {"he": FAKE["he"][10:]})
    metric.update({"he": REAL["he"][30:]}, {"ihc": FAKE["ihc"]})
    metric.update({"he": REAL["he"][:30], "ihc": REAL["ihc"].flip(0)}, {"he": FAKE["he"][:10]})
    found = {name: value.item() for name, value in metric.compute().items()}
    assert found == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_draws_do_not_depend_on_the_order_of_images() -> None:
    def kid(order: Tensor) -> float:
        metric = DistributionScores(DOMAINS, TinyExtractor(), subsets=3, subset_size=10)
        return scored({"he": REAL["he"][order]}, FAKE, metric)["kid/he"]

    assert kid(torch.arange(40)) == pytest.approx(kid(torch.randperm(40)), rel=1e-6)


def test_the_inception_score_needs_logits() -> None:
    metric = DistributionScores(["he"], TinyExtractor(logits=True), splits=2)
    found = scored(REAL, FAKE, metric)
    with torch.no_grad():
        _, logits = TinyExtractor(logits=True)(FAKE["he"])
    assert 1 <= found["is/he"] <= CLASSES
    assert found["is_std/he"] >= 0
    whole = DistributionScores(["he"], TinyExtractor(logits=True), splits=1)
    expected = inception_score(logits.numpy(), splits=1)[0]
    assert scored(REAL, FAKE, whole)["is/he"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("count", "why"), [(WIDTH, "less than the 6 dimensions"), (WIDTH + 1, "fewer than 2048")]
)
def test_small_sets_are_not_called_a_fid_in_silence(count: int, why: str) -> None:
    with pytest.warns(UserWarning, match=f"fid/he is biased.*{why}.*kid/he"):
        scored({"he": REAL["he"][:count]}, {"he": FAKE["he"]})


def test_2048_images_are_enough() -> None:
    many = {"he": pictures(4, 2048)[..., :4, :4]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric = DistributionScores(["he"], TinyExtractor(), subsets=1, subset_size=2)
        assert scored(many, many, metric)["fid/he"] < 1e-6


def test_kept_statistics_give_the_same_and_spare_the_network(tmp_path: Path) -> None:
    first = DistributionScores(DOMAINS, TinyExtractor())
    expected = scored(REAL, FAKE, first)
    written = first.write_real(tmp_path / "real")
    assert [path.name for path in written] == ["he.npz", "ihc.npz"]
    network = TinyExtractor()
    kept = dict(zip(DOMAINS, written, strict=True))
    without = DistributionScores(DOMAINS, network, kept)
    assert scored({}, FAKE, without) == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert network.images == len(FAKE["he"]) + len(FAKE["ihc"])
    compared = DistributionScores(DOMAINS, network, {"he": written[0]})
    shuffled = REAL | {"he": REAL["he"].flip(0)}
    assert scored(shuffled, FAKE, compared) == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_statistics_are_readable_as_pytorch_fid_names_them(tmp_path: Path) -> None:
    metric = DistributionScores(["he"], TinyExtractor())
    scored(REAL, FAKE, metric)
    with np.load(metric.write_real(tmp_path)[0], allow_pickle=False) as file:
        np.testing.assert_allclose(file["mu"], features(REAL["he"]).mean(axis=0), rtol=1e-5)
        expected = np.cov(features(REAL["he"]), rowvar=False)
        np.testing.assert_allclose(file["sigma"], expected, rtol=1e-3, atol=1e-9)


def test_statistics_of_another_network_or_other_pictures_are_refused(tmp_path: Path) -> None:
    metric = DistributionScores(["he"], TinyExtractor())
    scored(REAL, FAKE, metric)
    path = metric.write_real(tmp_path)[0]
    with pytest.raises(ValueError, match="made with the extractor"):
        DistributionScores(["he"], TinyExtractor(seed=1), {"he": path})
    with pytest.raises(ValueError, match=r"real statistics of \['marker'\]"):
        DistributionScores(["he"], TinyExtractor(), {"marker": path})
    with pytest.raises(ValueError, match="39 real pictures of he are not the 40"):
        scored(
            {"he": REAL["he"][1:]}, FAKE, DistributionScores(["he"], TinyExtractor(), {"he": path})
        )


def test_a_damaged_or_missing_file_is_said(tmp_path: Path) -> None:
    for content in (b"", b"PK not a zip"):
        (tmp_path / "he.npz").write_bytes(content)
        with pytest.raises(UnreadableFileError, match=r"he\.npz"):
            DistributionScores(["he"], TinyExtractor(), {"he": tmp_path / "he.npz"})
    np.savez(tmp_path / "other.npz", mu=np.zeros(3))
    with pytest.raises(UnreadableFileError, match=r"other\.npz.*sigma"):
        DistributionScores(["he"], TinyExtractor(), {"he": tmp_path / "other.npz"})
    with pytest.raises(FileNotFoundError, match="write_real"):
        DistributionScores(["he"], TinyExtractor(), {"he": tmp_path / "none.npz"})


def test_one_side_alone_says_nothing() -> None:
    found = scored({"he": REAL["he"]}, {"ihc": FAKE["ihc"]})
    assert all(np.isnan(value) for value in found.values())
    with pytest.raises(ValueError, match="nothing to score"):
        scored({"lap2": REAL["he"]}, {})


def test_reset_forgets_and_a_collection_passes_what_is_named() -> None:
    metrics = MetricCollection({"sets": DistributionScores(DOMAINS, TinyExtractor())})
    metrics.update(stains=FAKE, pred_stains=FAKE, image=torch.zeros(1))
    metrics.reset()
    metrics.update(stains=REAL, pred_stains=FAKE)
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == pytest.approx(scored(REAL, FAKE), nan_ok=True)


def test_the_network_is_no_part_of_the_metric() -> None:
    metric = DistributionScores(["he"], TinyExtractor())
    assert not list(metric.parameters())
    assert metric.clone().extractor is metric.extractor
    assert not metric.extractor.network.training


def test_features_are_the_same_under_autocast() -> None:
    expected = scored(REAL, FAKE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scored(REAL, FAKE) == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_one_channel_is_taken_for_gray() -> None:
    gray = {"he": REAL["he"][:, :1]}, {"he": FAKE["he"][:, :1]}
    rgb = [{"he": side["he"].expand(-1, 3, -1, -1)} for side in gray]
    assert scored(*gray) == pytest.approx(scored(*rgb), nan_ok=True)


def test_an_extractor_of_maps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the extractor gave \(25, 3, 12, 12\)"):
        scored({}, {"he": FAKE["he"]}, DistributionScores(["he"], nn.Identity()))


def test_real_pictures_are_shown_to_the_network_once() -> None:
    network = TinyExtractor()
    metric = DistributionScores(DOMAINS, network)
    expected = scored(REAL, FAKE, metric)
    for other in (metric, metric.clone()):  # the next epoch, and the metric of the test
        other.reset()
        network.images = 0
        assert scored(REAL, FAKE, other) == pytest.approx(expected, nan_ok=True)
        assert network.images == len(FAKE["he"]) + len(FAKE["ihc"])


def test_a_folder_keeps_features_for_other_runs_whatever_the_split(tmp_path: Path) -> None:
    first = {name: images[:20] for name, images in REAL.items()}
    scored(first, FAKE, DistributionScores(DOMAINS, TinyExtractor(logits=True), cache=tmp_path))
    expected = scored(REAL, FAKE, DistributionScores(DOMAINS, TinyExtractor(logits=True)))
    for new in (30, 0):  # 70 real pictures, of which 40 are known at first
        network = TinyExtractor(logits=True)
        found = scored(REAL, FAKE, DistributionScores(DOMAINS, network, cache=tmp_path))
        assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)
        assert network.images == new + len(FAKE["he"]) + len(FAKE["ihc"])
    another = TinyExtractor(seed=1)
    scored(REAL, {}, DistributionScores(DOMAINS, another, cache=tmp_path))
    assert another.images == 70, "features of one network are none of another's"
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableFileError, match="no file of features"):
        DistributionScores(DOMAINS, TinyExtractor(logits=True), cache=tmp_path)


def test_while_it_rests_it_asks_and_says_nothing() -> None:
    network = TinyExtractor()
    metric = DistributionScores(DOMAINS, network)
    metric.resting = True
    assert scored(REAL, FAKE, metric) == {}
    assert not network.images
    with pytest.raises(ValueError, match="every_n_epochs is 0"):
        DistributionScores(DOMAINS, network, every_n_epochs=0)
