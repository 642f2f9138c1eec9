"""Comparisons of runs: groups, ranks, tests, files, and what is refused."""

import csv
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import histoseg.engine.compare_tests
from conftest import CONF
from fakes.runs import IMAGES, fake_run
from histoseg.engine.compare import compare


def settings(tmp_path: Path, **changes: Any) -> DictConfig:
    cfg = OmegaConf.load(CONF / "compare.yaml")
    assert isinstance(cfg, DictConfig)
    cfg.update({"runs": str(tmp_path / "runs"), "output": str(tmp_path / "out"), **changes})
    return cfg


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three penalties, three seeds each; 10 is the best."""
    job = 0
    for penalty, pq in (("1", 0.5), ("10", 0.7), ("100", 0.4)):
        for seed in range(3):
            over = ["model=hovernet", f"model.penalty=[1,{penalty}]"]
            path = tmp_path / "runs" / str(job)
            fake_run(path, pq + 0.01 * seed, overrides=over, seed=seed)
            job += 1
    return tmp_path


def test_seeds_are_one_group_and_the_best_is_first(sweep: Path) -> None:
    found = compare(settings(sweep))
    assert found.order == tuple(f"model.penalty=[1,{p}]" for p in (10, 1, 100))
    best = found.table[found.order[0]]["pq"]
    assert (best.n, best.mean) == (3, pytest.approx(0.71, abs=0.005))
    assert best.sd == pytest.approx(0.01, abs=0.005)
    worse = found.against[found.order[1]]
    assert worse.difference == pytest.approx(0.2, abs=0.005)
    assert worse.images == 12
    # the smallest two-sided p of 12 pairs, twice for two groups
    assert worse.p == pytest.approx(2 / 2**12)
    assert worse.p_holm == pytest.approx(4 / 2**12)


def test_files_of_a_comparison(sweep: Path) -> None:
    compare(settings(sweep))
    out = sweep / "out"
    summary = table(out / "summary.csv")
    assert [row["metric"] for row in summary] == ["pq", "dice"] * 3
    assert summary[0]["best_minus_this"] == ""
    assert float(summary[2]["best_minus_this"]) == pytest.approx(0.2, abs=0.005)
    curves = table(out / "curves.csv")
    assert len(curves[0]) == 2 + 9
    pq = [row for row in curves if row["metric"] == "val/pq"]
    assert [row["epoch"] for row in pq] == ["1", "2", "3"]
    assert float(pq[2]["model.penalty=[1,10] seed=0"]) == pytest.approx(0.7)
    assert {p.stem for p in out.glob("*.png")} == {"bars", "curves", "tradeoff"}
    page = (out / "comparison.html").read_text()
    assert "model.penalty=[1,100]" in page
    assert 'src="http' not in page


def test_less_may_be_better(sweep: Path) -> None:
    found = compare(settings(sweep, metric="-dice"))
    assert found.order[0] == "model.penalty=[1,100]"
    assert found.metrics[0] == "dice"


def test_chance_is_not_called_better(tmp_path: Path) -> None:
    for i in range(2):
        fake_run(tmp_path / "runs" / str(i), 0.5, overrides=[f"a={i}"], seed=0)
    found = compare(settings(tmp_path))
    assert found.against[found.order[1]].p_holm == 1


def test_other_test_images_are_refused_or_flagged(tmp_path: Path) -> None:
    fake_run(tmp_path / "runs" / "a", 0.5, overrides=["a=0"])
    fake_run(tmp_path / "runs" / "b", 0.6, overrides=["a=1"], images=IMAGES[2:])
    with pytest.raises(ValueError, match="different images \\(2 are in one alone\\)"):
        compare(settings(tmp_path))
    found = compare(settings(tmp_path, on_split="flag"))
    assert found.against["a=0"].images == 10
    assert "different images" in (tmp_path / "out" / "comparison.html").read_text()


def test_other_training_images_are_flagged(tmp_path: Path) -> None:
    fake_run(tmp_path / "runs" / "a", 0.5, overrides=["a=0"], splits={"train": {"n": 1}})
    fake_run(tmp_path / "runs" / "b", 0.6, overrides=["a=1"])
    assert "data.splits differ" in compare(settings(tmp_path)).warnings[0]


def test_other_tests_are_done_once(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def score(cfg: DictConfig, weights: Path, folder: Path) -> None:
        done.append((weights, cfg.data.splits.half))
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text('{"test/pq": 0.25}')

    monkeypatch.setattr(histoseg.engine.compare_tests, "score", score)
    monkeypatch.setattr(histoseg.engine.compare_tests, "phases", lambda cfg: [cfg])
    for folder in (sweep / "runs").iterdir():
        (folder / "best.ckpt").touch()
    cfg = settings(sweep, tests={"half": {"data.splits.half": 0.5}})
    compare(cfg)
    assert len(done) == 9
    assert done[0][1] == 0.5
    compare(cfg)
    assert len(done) == 9
    assert (sweep / "out" / "tests.png").is_file()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metric": "aji"}, "dice, pq"),
        ({"metrics": ["aji"]}, "aji"),
        ({"on_split": "no"}, "on_split=no"),
        ({"against": "seed"}, "three or more"),
    ],
)
def test_settings_of_a_comparison(sweep: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(settings(sweep, **changes))


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    fake_run(tmp_path / "runs", 0.5)
    with pytest.raises(ValueError, match="only run"):
        compare(settings(tmp_path))
