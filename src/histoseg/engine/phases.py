"""A run as a sequence of phases, each the run's configuration with some differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict


def phases(cfg: DictConfig) -> Iterator[DictConfig]:
    """The configuration of each phase in turn; a run without phases is one phase called ``fit``.

    Args:
        cfg: Composed configuration. ``cfg.phases`` maps names to overrides, over which those of
            ``cfg.every_phase`` go.

    Raises:
        omegaconf.errors.ConfigKeyError: If a phase sets a key that does not exist.
    """
    run = Path(cfg.paths.run)
    differences = cfg.get("phases") or {"fit": {}}
    for name, difference in differences.items():
        phase = cfg.copy()
        OmegaConf.set_struct(phase, True)
        with open_dict(phase):
            phase.pop("phases", None)
        phase.merge_with(difference)
        phase.merge_with(cfg.get("every_phase") or {})
        phase.phase = name
        phase.paths.phase = str(run / name)
        yield phase


def check_overrides(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a command-line override that a phase would silently undo.

    Args:
        cfg: Composed configuration.
        overrides: The command line's, as ``key=value``.

    Raises:
        ValueError: Naming the override to use instead.
    """
    settings = {f"phases.{name}": node for name, node in (cfg.get("phases") or {}).items()}
    settings["every_phase"] = cfg.get("every_phase") or OmegaConf.create()
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        setting = [where for where, difference in settings.items() if _sets(difference, key)]
        if setting:
            instead = " ".join(f"{where}.{key}={value}" for where in setting)
            raise ValueError(f"{key} is set by {', '.join(setting)}: say {instead}")


def _sets(difference: DictConfig, key: str) -> bool:
    value = OmegaConf.select(difference, key)
    return value is not None and not OmegaConf.is_config(value)
