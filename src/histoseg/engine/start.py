"""Between the command line and the engine: what Hydra has to be told, and what it told us."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from histoseg.engine import checkpoint
from histoseg.engine.phases import check_overrides
from histoseg.engine.train import train


def start_training(cfg: DictConfig) -> float | None:
    """One job of ``histoseg train``: settle the run's folder, refuse undone overrides, train."""
    check_overrides(cfg, HydraConfig.get().overrides.task)
    return train(settled(cfg))


def settled(cfg: DictConfig) -> DictConfig:
    """The configuration with what only Hydra knows written down, for processes without Hydra."""
    cfg.name = str(cfg.name)
    cfg.paths.run = str(Path(cfg.paths.run).absolute())
    return cfg


def training_command(args: Sequence[str], conf: str) -> list[str]:
    """The command line of a training; ``resume=<run>`` becomes what that run was started with.

    Args:
        args: What the user typed.
        conf: Folder of the configuration.

    Raises:
        SystemExit: If neither model nor data are named (the choices are listed), or the run to
            resume is not one.
    """
    run = _value(args, "resume")
    if run is not None:
        stored = Path(run) / ".hydra" / "overrides.yaml"
        if not stored.is_file():
            sys.exit(f"resume={run}: not the folder of a run (no {stored})")
        before = [
            o for o in yaml.safe_load(stored.read_text()) if not o.startswith("hparams_search=")
        ]
        added = [a for a in args if not a.startswith("resume=")]
        return [*before, *added, f"resume='{run}'", f"hydra.run.dir='{run}'"]
    asks_help = any(a.startswith("-") and a not in ("-m", "--multirun") for a in args)
    named = {group for group in ("model", "data", "experiment") if _value(args, group) is not None}
    if not asks_help and "experiment" not in named and named != {"model", "data"}:
        sys.exit(_choices({"model", "data"} - named, Path(conf)))
    return list(args)


def offer_checkpoint(args: Sequence[str]) -> None:
    """Offer the configuration in ``ckpt=...`` as the choice ``from_checkpoint`` of its groups.

    Raises:
        CheckpointError: If there is no such checkpoint, or it is not to be trusted.
    """
    path = _value(args, "ckpt")
    if path is None:
        return
    trust = (_value(args, "trust") or "[]").strip("[]").replace(" ", "")
    stored = checkpoint.stored_config(
        checkpoint.find(Path(path)), trust=tuple(t for t in trust.split(",") if t)
    )
    for group in ("model", "data"):
        ConfigStore.instance().store(name="from_checkpoint", node=stored[group], group=group)


def _value(args: Sequence[str], key: str) -> str | None:
    values = [a.partition("=")[2].strip("'\"") for a in args if a.partition("=")[0] == key]
    return values[-1] if values else None


def _choices(missing: set[str], conf: Path) -> str:
    groups = [*sorted(missing, reverse=True), "experiment"]
    offers = {g: "  ".join(sorted(p.stem for p in (conf / g).glob("*.yaml"))) for g in groups}
    what = " and ".join(sorted(missing, reverse=True))
    return "\n".join(
        [
            f"Say what to train: {what} missing (or an experiment).",
            *(f"  {group + '=':<12}{offer}" for group, offer in offers.items()),
            "For example: python train.py model=hovernet data=synthetic debug=smoke",
        ]
    )
