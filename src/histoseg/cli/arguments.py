"""The command line before Hydra reads it: its order, its help, and what it leaves unsaid."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from histoseg.cli import VERBS
from histoseg.cli.conf import CONF

SWEEP = ("-m", "--multirun")
NO_CHOICE = ("paths", "hydra")  # groups with one entry


def ordered(args: Sequence[str]) -> list[str]:
    """Put options before overrides: Hydra refuses overrides on both sides of an option.

    Example:
        >>> ordered(["model=hovernet", "--config-dir", "mine", "~phases", "-m"])
        ['--config-dir', 'mine', '-m', 'model=hovernet', '~phases']
    """
    return [a for a in args if not _is_override(a)] + [a for a in args if _is_override(a)]


def value(args: Sequence[str], key: str) -> str | None:
    """What the command line sets a key to; None if it does not.

    Example:
        >>> value(["ckpt='runs/a'", "n=1"], "ckpt")
        'runs/a'
    """
    values = [a.partition("=")[2].strip("'\"") for a in args if a.partition("=")[0] == key]
    return values[-1] if values else None


def help_text(verb: str) -> str:
    """The help of a verb: the choices of its groups, and its settings as their file says them."""
    groups, settings = _groups_and_settings(verb)
    offers = _offers(groups)
    return "\n".join(
        [
            f"usage: histoseg {verb} key=value ...",
            "",
            f"  {VERBS[verb]}",
            "",
            *(["choices", *(f"  {line}" for line in offers), ""] if offers else []),
            "settings; those of a choice by its name: data.batch_size=4 (--cfg job shows all)",
            *(f"  {line}" for line in settings),
            "",
            "-m sweeps over a=1,2   --config-dir <folder> adds your configurations   "
            "HYDRA_FULL_ERROR=1 shows traces",
            "",
        ]
    )


def _groups_and_settings(verb: str) -> tuple[list[str], list[str]]:
    """What there is to choose and to set, with that of the verb it is built on."""
    text = (Path(CONF) / f"{verb}.yaml").read_text()
    settings = text.partition("\n\n")[2].partition("\nhydra:")[0].strip().split("\n")
    groups: list[str] = []
    for entry in yaml.safe_load(text)["defaults"]:
        if isinstance(entry, str) and entry in VERBS:
            more_groups, more_settings = _groups_and_settings(entry)
            groups += more_groups
            settings += [f"as of {entry}:", *more_settings]
        elif isinstance(entry, dict):
            groups += [key for key in entry if not key.startswith("override ")]
    return groups, settings


def training_command(args: list[str]) -> list[str]:
    """The command line of a training; ``resume=<run>`` becomes what that run was started with.

    Args:
        args: What the user typed.

    Raises:
        SystemExit: If neither model nor data are named (the choices are listed), or the run to
            resume is not one.
    """
    run = value(args, "resume")
    if run is not None:
        stored = Path(run) / ".hydra" / "overrides.yaml"
        if not stored.is_file():
            sys.exit(f"histoseg: resume={run}: not the folder of a run (no {stored})")
        before = [
            o for o in yaml.safe_load(stored.read_text()) if not o.startswith("hparams_search=")
        ]
        added = [a for a in args if not a.startswith("resume=")]
        return ordered([*before, *added, f"resume='{run}'", f"hydra.run.dir='{run}'"])
    asks = any(a.startswith("-") and a not in SWEEP for a in args)
    missing = [group for group in ("model", "data") if value(args, group) is None]
    if missing and not asks and value(args, "experiment") is None:
        sys.exit(_what_to_train(missing))
    return args


def checkpoint_command(args: list[str]) -> list[str]:
    """The command line of what works on a checkpoint: offers Hydra the configuration in it.

    ``from_checkpoint`` becomes a choice of ``model`` and ``data``, and the models of a pipeline
    become choices of its stages. With weights of an original
    repository, which hold no configuration, the command line has to choose both; a folder of
    DeepLIIF says itself what it is.

    Raises:
        SystemExit: If no checkpoint is named.
        CheckpointError: If there is no such checkpoint, or it is not to be trusted.
    """
    pipeline, given = value(args, "pipeline"), value(args, "ckpt")
    if pipeline is not None and given is not None:
        sys.exit("histoseg: ckpt= and pipeline= name models both: give one of them")
    if pipeline is not None:
        return _of_pipeline(args, _listed(pipeline))
    if given is None:
        asks = any(a.startswith("-") and a not in SWEEP for a in args)
        args = args if asks else _of_folder(args)
        if asks or all(value(args, key) for key in ("model", "data", "model.pretrained")):
            return args
        sys.exit(
            "histoseg: which checkpoint? Say ckpt=<.ckpt file, or the folder of a run>; "
            "pipeline=[<translator>,<segmenter>] for two models, one after the other; or, for "
            "weights of an original repository, model=<> data=<> model.pretrained=<file>; or, for "
            "a folder of DeepLIIF, model=deepliif model.pretrained=<folder>"
        )
    stored = _stored(args, _listed(given))
    for group in ("model", "data"):
        _offer(group, "from_checkpoint", stored[group])
    return args


def _of_pipeline(args: list[str], stages: Any) -> list[str]:
    """Offer what the checkpoints of two models hold, and choose it where the user does not."""
    from histoseg.engine.assembled import stages_of

    chosen = ["model=pipeline"]
    for stage, paths in zip(("translate", "segment"), stages_of(stages), strict=True):
        stored = _stored(args, paths)
        _offer("model", f"from_{stage}", stored["model"])
        chosen.append(f"model@model.{stage}=from_{stage}")
        _offer("data", "from_checkpoint", stored["data"])  # the last one's count
    own = {a.partition("=")[0] for a in args}
    return ordered([*(c for c in chosen if c.partition("=")[0] not in own), *args])


def _stored(args: Sequence[str], paths: Any) -> Any:
    """Model and data of a checkpoint; of several they are those of the first."""
    from histoseg.engine import checkpoint
    from histoseg.engine.assembled import paths_of, same_model

    trust = (value(args, "trust") or "").strip("[]").replace(" ", "").split(",")
    trusted = tuple(package for package in trust if package)
    found = [checkpoint.find(Path(path)) for path in paths_of(paths)]
    if not found:
        sys.exit("histoseg: which checkpoint? The list is empty")
    return same_model({path: checkpoint.stored_config(path, trust=trusted) for path in found})


def _listed(text: str) -> Any:
    """What a list on the command line means; a single value stays as it is."""
    if not text.startswith("["):
        return text
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create().parse_override(f"given={text}").value()


def _offer(group: str, name: str, node: Any) -> None:
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name=name, node=node, group=group)


def _of_folder(args: list[str]) -> list[str]:
    """Put what a folder of DeepLIIF says of its model before what the user says."""
    folder = Path(value(args, "model.pretrained") or "")
    if value(args, "model") != "deepliif" or not value(args, "model.pretrained"):
        return args
    if folder.is_file():
        return args
    from histoseg.engine import checkpoint

    said = checkpoint.settings_of(folder)
    if value(args, "model/seg_weights") is not None:
        said.pop("seg_weights", None)
    data = [] if value(args, "data") else ["data=deepliif_strips"]
    own = [line for key, value in said.items() for line in _overrides(f"model.{key}", value)]
    return ordered([*data, *own, *args])


def _overrides(key: str, value: Any) -> list[str]:
    """A setting as it is typed; one of several entries takes the place of what is there."""
    if not isinstance(value, dict):
        return [f"++{key}={json.dumps(value, separators=(',', ':'))}"]
    return [f"~{key}", *(line for k, v in value.items() for line in _overrides(f"{key}.{k}", v))]


def _is_override(arg: str) -> bool:
    return not arg.startswith("-") and ("=" in arg or arg.startswith("~"))


def _offers(groups: Sequence[str]) -> list[str]:
    if "prepare" in groups:  # it follows from data, of which only those with a recipe count
        return [line.replace("prepare=", "data=", 1) for line in _choices("prepare")[:1]]
    return [line for group in groups if group not in NO_CHOICE for line in _choices(group)]


def _choices(group: str) -> list[str]:
    """One line for a group and each group within it, of what there is to choose."""
    top = Path(CONF) / group
    folders = sorted({path.parent for path in top.rglob("*.yaml")})
    return [
        f"{folder.relative_to(CONF).as_posix() + '=':<18} "
        + "  ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        for folder in folders
    ]


def _what_to_train(missing: Sequence[str]) -> str:
    offers = [line for group in (*missing, "experiment") for line in _choices(group)[:1]]
    return "\n".join(
        [
            f"histoseg: what to train? {' and '.join(missing)} missing (or an experiment)",
            *(f"  {offer}" for offer in offers),
            "For example: python train.py model=hovernet data=synthetic debug=smoke",
        ]
    )
