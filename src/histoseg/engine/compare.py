"""Several trainings side by side: which is best, and is it by more than chance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from histoseg.contracts import Array
from histoseg.engine.compare_page import write_comparison_page
from histoseg.engine.compare_tests import cross_tests
from histoseg.engine.comparison import Against, Comparison
from histoseg.engine.report_run import chosen_curves
from histoseg.engine.run_folder import RunFolder, find_runs
from histoseg.metrics.functional.paired import wilcoxon_p
from histoseg.metrics.functional.runs import holm, spread
from histoseg.writers import write_csv

log = logging.getLogger(__name__)
SUMMARY = (
    "group", "metric", "mean", "sd", "runs", "low", "high", "best_minus_this", "p_wilcoxon",
    "p_holm", "images",
)  # fmt: skip
SAME = "all runs"


def compare(cfg: DictConfig) -> Comparison:
    """Compare finished runs and write ``summary.csv``, ``curves.csv``, figures and one page.

    Runs that differ in their seed alone are one group.

    Args:
        cfg: Composed from ``conf/compare.yaml``.

    Returns:
        What was found.

    Raises:
        CheckpointError: If a run is not there or not finished.
        ValueError: If runs were tested on different images, or have no score in common.
    """
    runs = find_runs([cfg.runs] if isinstance(cfg.runs, str) else list(cfg.runs))
    if len(runs) < 2:
        raise ValueError(f"{runs[0].path} is the only run: name two or more, or their folder")
    found = compared(runs, cfg)
    folder = Path(cfg.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_summary(folder / "summary.csv", found)
    write_curves(folder / "curves.csv", found)
    crossed = cross_tests(found.groups, cfg, folder / "tests") if cfg.tests else {}
    page = write_comparison_page(folder, found, crossed, key=cfg.against)
    for warning in found.warnings:
        log.warning("%s", warning)
    log.info("%s\n\n%s", _verdict(found), page.resolve().as_uri())
    return found


def compared(runs: Sequence[RunFolder], cfg: DictConfig) -> Comparison:
    """Rank groups of runs.

    Args:
        runs: Two or more.
        cfg: ``metric``, ``metrics``, ``confidence`` and ``on_split``.

    Raises:
        ValueError: As of `compare`.
    """
    warnings = _check_splits(runs, cfg.on_split)
    groups = grouped(runs)
    metric, higher = _metric(runs, cfg.metric)
    metrics = _metrics(runs, metric, cfg.metrics)
    table = {
        label: {m: spread([r.scores.get(m, np.nan) for r in some], cfg.confidence) for m in metrics}
        for label, some in groups.items()
    }
    sign = -1 if higher else 1
    order = sorted(
        groups, key=lambda g: (np.isnan(table[g][metric].mean), sign * table[g][metric].mean)
    )
    return Comparison(
        groups=groups,
        metric=metric,
        higher=higher,
        metrics=metrics,
        table=table,
        order=tuple(order),
        against=_against(groups, order, metric),
        warnings=tuple(warnings),
    )


def grouped(runs: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    """Runs by the overrides that not all of them share; those without any by their names."""
    common = set.intersection(*(set(run.without_seed) for run in runs))
    groups: dict[str, list[RunFolder]] = {}
    for run in runs:
        label = " ".join(o for o in run.without_seed if o not in common)
        if not run.overrides:
            label = run.name
        groups.setdefault(label or SAME, []).append(run)
    if len(groups) > 1 and SAME in groups:
        groups = {("as it is" if g == SAME else g): some for g, some in groups.items()}
    return groups


def write_summary(path: Path, found: Comparison) -> None:
    """Write a row a group and metric, the best group first."""
    rows = []
    for label in found.order:
        for metric, s in found.table[label].items():
            test = found.against.get(label) if metric == found.metric else None
            said = [test.difference, test.p, test.p_holm, test.images] if test else [""] * 4
            rows.append([label, metric, s.mean, s.sd, s.n, s.low, s.high, *said])
    write_csv(path, SUMMARY, [[_blank(cell) for cell in row] for row in rows])


def write_curves(path: Path, found: Comparison) -> None:
    """Write a row a metric and epoch, a column a run."""
    runs = {_column(label, run): run for label, some in found.groups.items() for run in some}
    names = dict.fromkeys(
        n for run in runs.values() for n in chosen_curves(run.curves, run.monitor)
    )
    rows = []
    for name in names:
        curves = {
            column: dict(zip(*run.curves[name], strict=True))
            for column, run in runs.items()
            if name in run.curves
        }
        for epoch in sorted({e for curve in curves.values() for e in curve}):
            rows.append([name, int(epoch), *(curves.get(c, {}).get(epoch, "") for c in runs)])
    write_csv(path, ["metric", "epoch", *runs], rows)


def _column(label: str, run: RunFolder) -> str:
    return f"{label} seed={run.seed}"


def _check_splits(runs: Sequence[RunFolder], on_split: str) -> list[str]:
    """What differs in the images behind the scores; refused unless asked to flag it."""
    if on_split not in ("refuse", "flag"):
        raise ValueError(f"on_split={on_split}: expected refuse or flag")
    warnings = []
    tested = {run.path: frozenset(run.images) for run in runs if run.images}
    if len(set(tested.values())) > 1:
        first, *others = tested
        other = next(o for o in others if tested[o] != tested[first])
        apart = len(tested[first] ^ tested[other])
        text = (
            f"{first} and {other} were tested on different images ({apart} are in one alone), so "
            "their scores do not compare"
        )
        if on_split == "refuse":
            raise ValueError(f"{text}: score them on one split, or say on_split=flag")
        warnings.append(text)
    trained = {OmegaConf.to_yaml(run.config.data.get("splits") or {}) for run in runs}
    if len(trained) > 1:
        warnings.append("data.splits differ between runs: they learned from different images")
    return warnings


def _metric(runs: Sequence[RunFolder], asked: str | None) -> tuple[str, bool]:
    """The ranking metric, and whether more of it is better."""
    there = set.intersection(*(set(run.scores) for run in runs))
    if asked is not None:
        name = asked.removeprefix("-").removeprefix("test/")
        if name not in there:
            raise ValueError(
                f"metric={asked}: not a test score of every run; those are "
                f"{', '.join(sorted(there)) or '(none)'}"
            )
        same = next((r for r in runs if r.monitor == name), None)
        return name, not asked.startswith("-") if same is None else same.higher_is_better
    for run in runs:
        if run.monitor in there:
            return run.monitor, run.higher_is_better
    raise ValueError(
        "the runs have no monitored score of the test split in common: say metric=<name> (or "
        f"metric=-<name> where less is better) of {', '.join(sorted(there)) or '(none)'}"
    )


def _metrics(
    runs: Sequence[RunFolder], metric: str, asked: Sequence[str] | None
) -> tuple[str, ...]:
    there = set.intersection(*(set(run.scores) for run in runs))
    wanted = list(asked) if asked is not None else list(runs[0].scores)[:9]
    if missing := [m for m in wanted if m not in there and asked is not None]:
        raise ValueError(f"metrics={missing}: not test scores of every run")
    return tuple(dict.fromkeys([metric, *(m for m in wanted if m in there)]))


def _against(
    groups: dict[str, list[RunFolder]], order: Sequence[str], metric: str
) -> dict[str, Against]:
    best, *others = order
    first, tests = _of_images(groups[best], metric), {}
    for label in others:
        second = _of_images(groups[label], metric)
        names = [n for n in first if n in second]
        a, b = (np.array([of[n] for n in names]) for of in (first, second))
        tests[label] = (_mean(a - b), wilcoxon_p(b, a), len(names))
    corrected = holm([p for _, p, _ in tests.values()])
    return {
        label: Against(difference, p, p_holm, n)
        for (label, (difference, p, n)), p_holm in zip(tests.items(), corrected, strict=True)
    }


def _of_images(runs: Sequence[RunFolder], metric: str) -> dict[str, float]:
    """The score of each test image, as mean over the runs."""
    names = [n for n, row in runs[0].images.items() if metric in row]
    rows = {n: [run.images.get(n, {}).get(metric, np.nan) for run in runs] for n in names}
    return {n: float(np.mean(values)) for n, values in rows.items()}


def _mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _blank(value: object) -> object:
    return "" if isinstance(value, float) and np.isnan(value) else value


def _verdict(found: Comparison) -> str:
    best, *others = found.order
    s = found.table[best][found.metric]
    text = f"best by {found.metric}: {best}, {s.mean:.4f}"
    beaten = [g for g in others if found.against[g].p_holm < 0.05]
    return f"{text} ({s.n} runs); better than {len(beaten)} of {len(others)} others at p < 0.05"
