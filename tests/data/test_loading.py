"""Every code, on a stack whose plane k has one pixel of k + 1, and one of 16 that scales all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from omegaconf import OmegaConf

from conftest import CONF
from histoseg.contracts import Array
from histoseg.data import Loading
from histoseg.errors import ContractError, UnreadableFileError

TABLE: dict[int, Any] = OmegaConf.to_container(  # type: ignore[assignment]
    OmegaConf.load(CONF / "data" / "loading" / "codes.yaml").table
)
CHOICES = sorted(p.stem for p in (CONF / "data" / "loading").glob("*.yaml"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planes = np.zeros((16, 8, 8), np.uint8)
    planes[:, 0, 0] = np.arange(1, 17)
    planes[:, 0, 1] = 16
    file = tmp_path_factory.mktemp("stack") / "a.tif"
    tifffile.imwrite(file, planes, photometric="minisblack")
    return file


def loaded(path: Path, codes: list[Any], seed: int | None = None, **settings: Any) -> Array:
    """What the pixel that tells planes says of each channel: the plane + 1 (of a merge, a mean)."""
    return drawn(path, codes, [seed], **settings)[0]


def drawn(path: Path, codes: list[Any], seeds: Any, **settings: Any) -> list[Array]:
    """The same for several seeds; None evaluates."""
    loading = Loading(codes, **{"table": TABLE, **settings})
    found = []
    for seed in seeds:
        image = loading.read(path, None if seed is None else np.random.default_rng(seed))
        assert image.shape == (8, 8, len(codes))
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        found.append(16 * image[0, 0])
    return found


def test_channels(path: Path) -> None:
    assert loaded(path, [0, 7, 15]).tolist() == [1, 8, 16]
    assert loaded(path, [0, 7, 15], seed=3).tolist() == [1, 8, 16]
    assert loaded(path, [{"op": "channel", "channel": 4}, 122]).tolist() == [5, 3]


RANDOM = {101: (9, 10, 11), 102: (13, 14, 15), 103: range(9, 16), 107: range(16), 108: (0, 3, 6),
          123: (4, 5, 6)}  # fmt: skip


@pytest.mark.parametrize(("code", "planes"), RANDOM.items())
def test_random_codes_take_each_of_theirs(code: int, planes: Any, path: Path) -> None:
    taken = [v[0] - 1 for v in drawn(path, [code], range(40 * len(planes)))]
    counts = {k: taken.count(k) for k in planes}
    assert sum(counts.values()) == len(taken)
    assert min(counts.values()) > 20
    assert loaded(path, [code])[0] == planes[0] + 1
    mean = np.mean([k + 1 for k in planes])
    assert loaded(path, [code], evaluation="mean")[0] == pytest.approx(mean)


MERGES = {100: (0, 3, 6), 104: tuple(range(9, 16)), 111: (0, 3, 6), 121: (0, 1)}


@pytest.mark.parametrize(("code", "planes"), MERGES.items())
def test_merges_are_means_of_what_is_listed(code: int, planes: tuple[int, ...], path: Path) -> None:
    whole = pytest.approx(np.mean([k + 1 for k in planes]))
    assert loaded(path, [code])[0] == whole
    assert loaded(path, [code], seed=1)[0] == whole
    assert loaded(path, [code], merge_dropout=1)[0] == whole  # nothing is dropped in evaluation
    drops = code in (111, 121)
    assert loaded(path, [code], seed=1, merge_dropout=1)[0] == (0 if drops else whole)


def test_what_is_dropped_of_a_merge_leaves_it_dimmer(path: Path) -> None:
    sums = [float(v[0]) for v in drawn(path, [111], range(600), merge_dropout=0.3)]
    assert {round(3 * v) for v in sums} == {0, 1, 4, 7, 5, 8, 11, 12}
    assert np.mean(sums) == pytest.approx(0.7 * 4, abs=0.15)
    whole = sum(round(3 * v) == 12 for v in sums) / len(sums)
    assert whole == pytest.approx(0.7**3, abs=0.06)


@pytest.mark.parametrize(("rate", "low", "high"), [(0, 0, 0), (0.3, 0.24, 0.36), (1, 1, 1)])
def test_200_more_is_black_at_the_rate(rate: float, low: float, high: float, path: Path) -> None:
    taken = [float(v[0]) for v in drawn(path, [212], range(500), channel_dropout=rate)]
    assert set(taken) <= {0, 13}
    assert low <= taken.count(0) / len(taken) <= high
    assert loaded(path, [212], channel_dropout=rate)[0] == 13  # evaluation


def test_dropout_hands_merge_dropout_on(path: Path) -> None:
    sums = {round(3 * float(v[0])) for v in drawn(path, [311], range(80), merge_dropout=0.5)}
    assert len(sums) == 8


def test_black(path: Path) -> None:
    image = Loading([110, 110], TABLE).read(path)
    assert image.shape == (8, 8, 2)
    assert not image.any()


def test_own_codes_and_entries_in_place_of_numbers(path: Path) -> None:
    own = {
        60: {"op": "dropout", "of": 12, "rate": 0.5},
        "61": {"op": "random", "channels": [1, 2]},
    }
    taken = {tuple(v.tolist()) for v in drawn(path, [60, 61], range(80), table=own)}
    assert taken == {(a, b) for a in (0, 13) for b in (2, 3)}
    fixed = {"op": "merge", "channels": [0, 4], "dropout": 1.0}
    assert loaded(path, [fixed], seed=0)[0] == 0
    assert loaded(path, [fixed])[0] == 3


@pytest.mark.parametrize("choice", CHOICES)
def test_the_named_choices_are_read(choice: str, path: Path) -> None:
    cfg = OmegaConf.merge(
        OmegaConf.load(CONF / "data" / "loading" / "codes.yaml"),
        OmegaConf.load(CONF / "data" / "loading" / f"{choice}.yaml"),
    )
    assert len(loaded(path, list(cfg.codes), seed=0)) == 3


def test_there_are_the_twelve_of_the_paper() -> None:
    assert len(CHOICES) == 12 + 2  # the table itself, and black


def test_stochastic_evaluation_draws_the_same_each_time(path: Path) -> None:
    loading = Loading([107] * 8, TABLE, evaluation="stochastic")
    first = loading.read(path)
    np.testing.assert_array_equal(loading.read(path), first)
    assert len(np.unique(first[0, 0])) > 2


def test_scales(tmp_path: Path) -> None:
    plane = np.arange(100, 200, dtype=np.float32).reshape(10, 10)
    tifffile.imwrite(tmp_path / "a.tif", plane)

    def read(scale: Any) -> Array:
        return Loading([0], scale=scale).read(tmp_path / "a.tif")[..., 0]

    np.testing.assert_allclose(read("max"), plane / 199, rtol=1e-6)
    np.testing.assert_allclose(read("minmax"), (plane - 100) / 99, rtol=1e-6)
    low, high = np.percentile(plane, (1, 99.8))
    wanted = ((plane - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(read("percentile"), wanted, atol=1e-6)


def test_an_empty_channel_is_black_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planes = np.zeros((2, 4, 4), np.uint16)
    planes[1] = 5
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="minisblack")
    loading = Loading([0, {"op": "merge", "channels": [0, 1]}])
    for _ in range(2):
        image = loading.read(tmp_path / "a.tif")
    assert np.isfinite(image).all()
    assert not image[..., 0].any()
    assert (image[..., 1] == 0.5).all()
    assert caplog.text.count("channel 0 is empty") == 1


def test_nan_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(UnreadableFileError, match="channel 0 holds NaN"):
        Loading([0]).read(tmp_path / "a.tif")


def test_a_channel_that_is_not_there_names_the_file(path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"a\.tif has 16 channels .* channel 20"):
        Loading([20]).read(path)


BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"codes": [51]},
        r"code 51 is not defined; there are 0 to 50.*\+data\.dataset\.loading\.table",
    ),
    ({"codes": [-1]}, "expected a whole number"),
    ({"codes": []}, "no loading code"),
    ({"codes": [{"op": "sum"}]}, "no operation 'sum'; expected op: channel, random, merge"),
    ({"codes": [{"op": "merge"}]}, "missing 1 required positional argument: 'channels'"),
    ({"codes": [{"op": "random", "channels": []}]}, "expected a list of numbers"),
    ({"codes": [{"op": "merge", "channels": [1], "dropout": 2}]}, "share of 0 to 1"),
    ({"codes": [0], "table": {20: {"op": "black"}}}, "own codes are 51 to 199"),
    ({"codes": [0], "table": {60: {"op": "dropout", "of": 60}}}, "asks for itself"),
    ({"codes": [0], "merge_dropout": 1.5}, "merge_dropout is 1.5"),
    ({"codes": [0], "scale": "mean"}, "scale is 'mean'"),
    ({"codes": [0], "evaluation": "last"}, "evaluation is 'last'"),
    ({"codes": [0], "layout": "zyx"}, "layout is 'zyx'"),
]


@pytest.mark.parametrize(("settings", "why"), BAD, ids=[why[:20] for _, why in BAD])
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ContractError, match=why):
        Loading(**settings)
