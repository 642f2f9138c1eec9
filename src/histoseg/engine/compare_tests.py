"""Every run on several test sets: the cells of the cross-test matrix."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from histoseg.engine import checkpoint
from histoseg.engine.evaluate import score
from histoseg.engine.phases import phases
from histoseg.engine.run_folder import RunFolder

log = logging.getLogger(__name__)


def cross_tests(
    groups: Mapping[str, Sequence[RunFolder]], cfg: DictConfig, folder: Path
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Score the best weights of every run on each test; what is there already is not done again.

    Args:
        groups: Runs by label.
        cfg: ``tests``: name -> overrides of the run's configuration.
        folder: Where each result goes, by run and test.

    Returns:
        Scores by group, then by test: one dictionary a run.
    """
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for label, runs in groups.items():
        for name, overrides in cfg.tests.items():
            found.setdefault(label, {})[name] = [
                _scored(run, dict(overrides or {}), folder / run.name.replace("/", "_") / name)
                for run in runs
            ]
    return found


def _scored(run: RunFolder, overrides: Mapping[str, Any], folder: Path) -> dict[str, float]:
    said = folder / "test.json"
    plain = OmegaConf.to_container(OmegaConf.create(dict(overrides)))
    wanted = {"run": str(run.path.resolve()), "overrides": plain}
    done = folder / "metrics.json"
    if not (done.is_file() and said.is_file() and json.loads(said.read_text()) == wanted):
        *_, last = phases(run.config)
        with open_dict(last):
            for key, value in overrides.items():
                OmegaConf.update(last, key, value)
            last.logger = {}
        log.info("testing %s with %s", run.path, overrides or "its own data")
        score(last, checkpoint.find(run.path), folder)
        said.write_text(json.dumps(wanted))
    content = json.loads(done.read_text())
    return {
        name.removeprefix("test/"): float(value)
        for name, value in content.items()
        if isinstance(value, int | float)
    }
