"""Scoring files against files: predictions of any program, no checkpoint needed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from histoseg.contracts import Report
from histoseg.data.objects import (
    ObjectArrays,
    ObjectFolder,
    ObjectRecords,
    ObjectSource,
    is_array_file,
    pair,
    read_items,
    some,
)
from histoseg.engine.count_pairs import Counted, PairReader, count_pairs
from histoseg.engine.record import write_provenance
from histoseg.engine.score_report import write_report, write_skipped
from histoseg.errors import ContractError, UnreadableFileError
from histoseg.metrics.report import compare
from histoseg.ops.hues import hues
from histoseg.slides import find_images
from histoseg.writers import (
    comparison_table,
    outlined,
    panel,
    score_table,
    worst_name,
    write_comparison,
    write_comparison_figure,
    write_csv,
    write_png,
)

log = logging.getLogger(__name__)
CHOICES = {"missing": ("error", "empty"), "on_error": ("skip", "raise")}


def score(cfg: DictConfig) -> list[Report]:
    """Score predictions against truths, and several models against the first of them.

    Args:
        cfg: Composed from ``conf/score.yaml``.

    Returns:
        One report a model.

    Raises:
        ContractError: If truths lack a prediction, nothing fits, or a class exceeds the list.
        DatasetNotFoundError: If there is no such folder.
        UnreadableFileError: After everything is written, if files could not be read.
        ValueError: If a setting is not one of those that there are.
    """
    _check_settings(cfg)
    given = list(cfg.pred) if OmegaConf.is_list(cfg.pred) else [cfg.pred]
    paths = [str(_path(one)) for one in given]
    names = model_names(paths)
    true = _truths(cfg)
    readers = [_reader(true, _opened(Path(path)), cfg) for path in paths]
    output = Path(cfg.output)
    write_provenance(cfg, output)
    found: list[Counted] = []
    reports = []
    for name, path, reader in zip(names, paths, readers, strict=True):
        folder = output if len(paths) == 1 else output / name
        counted = count_pairs(reader, cfg, read_items(Path(cfg.table)) if cfg.table else {})
        reports.append(_reported(counted, reader, folder, cfg, f"{path} against {true.where}"))
        found.append(counted)
    for second, name in zip(found[1:], names[1:], strict=True):
        folder = output if len(paths) == 2 else output / f"{names[0]}_{name}"
        _compare(found[0], second, (names[0], name), readers[0].classes, cfg, folder)
    skipped = sum(len(one.skipped) for one in found)
    if skipped:
        raise UnreadableFileError(
            f"{skipped} images were left out because files could not be read; the others are "
            f"scored. {output} says which (skipped.csv)"
        )
    return reports


def model_names(paths: Sequence[str]) -> list[str]:
    """Short names of models: what their paths do not share.

    Example:
        >>> model_names(["runs/a/mat", "runs/b/mat"])
        ['a', 'b']
    """
    if len(set(paths)) < len(paths):
        raise ValueError(f"pred={list(paths)}: each prediction once")
    parts = [Path(path).parts for path in paths]
    start = _shared(parts)
    end = _shared([part[start:][::-1] for part in parts])
    names = ["_".join(part[start : len(part) - end]) for part in parts]
    if all(names) and len(set(names)) == len(names):
        return names
    return [f"{i}_{Path(path).stem}" for i, path in enumerate(paths, start=1)]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many parts are the same from the start."""
    levels = zip(*parts, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, levels))


def _truths(cfg: DictConfig) -> ObjectSource:
    data = cfg.get("data")
    if (cfg.true is None) == (data is None):
        raise ValueError("say what is true: true=<folder or file>, or data=<set> split=test")
    return _opened(_path(cfg.true)) if data is None else ObjectRecords(instantiate(data), cfg.split)


def _path(value: object) -> Path:
    """A path as typed: a folder called ``true`` or ``7`` reaches us as a bool or an int."""
    return Path(str(value).lower() if isinstance(value, bool) else str(value))


def _opened(path: Path) -> ObjectSource:
    arrays = is_array_file(path)
    return ObjectFolder(path) if arrays is None else ObjectArrays(arrays)


def _reader(true: ObjectSource, pred: ObjectSource, cfg: DictConfig) -> PairReader:
    pairing = pair(true, pred)
    if pairing.missing and cfg.missing == "error":
        raise ContractError(
            f"{len(pairing.missing)} of {len(pairing.names)} truths of {true.where} have no "
            f"prediction in {pred.where}: {some(pairing.missing)}"
            + (f". Predictions without truth: {some(pairing.extra)}" if pairing.extra else "")
            + ". Add them, or say missing=empty to score them as if nothing were found"
        )
    if pairing.extra:
        log.warning(
            "%d predictions of %s have no truth and are not scored: %s",
            len(pairing.extra), pred.where, some(pairing.extra),
        )  # fmt: skip
    classes = true.classes if cfg.classes is None else tuple(cfg.classes)
    if classes is None:
        classes = pred.classes
    images = {p.stem: p for p in find_images(cfg.images)} if cfg.images else {}
    return PairReader(true, pred, pairing, classes, cfg, images)


def _reported(
    counted: Counted, reader: PairReader, folder: Path, cfg: DictConfig, title: str
) -> Report:
    """Write everything of one model, and show it."""
    tallies = counted.stacked(reader.classes)
    for side in sorted(counted.untyped):
        log.warning("%s knows no classes: scored without. Name them with classes=[...]", side)
    pairing = reader.pairing
    settings = {
        **{"pred": reader.pred.where, "true": reader.true.where},
        **{key: cfg[key] for key in ("radius", "radius_um", "mpp", "missing")},
        **{"missing_predictions": pairing.missing, "without_truth": pairing.extra},
        "skipped": len(counted.skipped),
    }
    short = " against ".join("/".join(Path(one).parts[-2:]) for one in title.split(" against "))
    made = write_report(folder, tallies, cfg, short, settings)
    _write_unpaired(folder, reader, counted)
    _write_worst(folder, reader, made, cfg)
    log.info("%s\n\n%s\n\nresults in %s", title, score_table(made), folder)
    if pairing.missing:
        log.warning("%d truths have no prediction: scored as missed", len(pairing.missing))
    warning = write_skipped(folder, counted.skipped)
    if warning:
        log.error("%s", warning)
    return made


def _compare(
    first: Counted,
    second: Counted,
    names: tuple[str, str],
    classes: Sequence[str] | None,
    cfg: DictConfig,
    folder: Path,
) -> None:
    """Compare two models on the images that both have."""
    common = [name for name in first.tallies if name in second.tallies]
    if first.untyped | second.untyped:
        classes = ()
    tables = [one.stacked(classes, common) for one in (first, second)]
    if classes is None and len({table.classes for table in tables}) > 1:
        most = max((table.classes for table in tables), key=len)
        tables = [one.stacked(most, common) for one in (first, second)]
    differences = compare(
        *tables, bootstrap=cfg.bootstrap, confidence=cfg.confidence, seed=cfg.seed
    )
    write_comparison(folder, differences, names)
    write_comparison_figure(folder / "comparison.png", differences, names)
    log.info("%s\n\nresults in %s", comparison_table(differences, names), folder)


def _write_unpaired(folder: Path, reader: PairReader, counted: Counted) -> None:
    lists = {
        "unpaired.csv": (
            ["image", "what"],
            [
                *((name, "truth without prediction") for name in reader.pairing.missing),
                *((name, "prediction without truth") for name in reader.pairing.extra),
            ],
        ),
        "dropped.csv": (["image", "side", "where", "why"], counted.dropped),
    }
    for name, (columns, rows) in lists.items():
        (folder / name).unlink(missing_ok=True)
        if rows:
            write_csv(folder / name, columns, rows)  # type: ignore[arg-type]
    if counted.dropped:
        log.warning("%d objects of the files are left out: dropped.csv", len(counted.dropped))


def _write_worst(folder: Path, reader: PairReader, made: Report, cfg: DictConfig) -> None:
    """Draw the images with the lowest PQ, where there are pictures."""
    rows = [row for row in made.images if not np.isnan(float(row["pq"]))]
    rows = sorted(rows, key=lambda row: (row["pq"], row["image"]))[: cfg.worst]
    colours = _colours(cfg, len(made.classes))
    for old in (folder / "worst").glob("*.png"):
        old.unlink()
    for place, row in enumerate(rows):
        name = str(row["image"])
        true, pred = reader.read(name)
        image = reader.picture(name) if name in reader.images else true.image
        if image is None:
            return
        if image.shape[:2] != true.instances.shape:
            log.warning("%s: picture %s, labels %s", name, image.shape, true.instances.shape)
            continue
        sides = [outlined(image, side.instances, side.semantic, colours) for side in (true, pred)]
        picture = panel([sides], [f"truth: {name}", f"pq {row['pq']:.3f}"])
        write_png(folder / "worst" / worst_name(place, name), picture)


def _colours(cfg: DictConfig, count: int) -> tuple[tuple[int, int, int], ...]:
    given = cfg.colours or OmegaConf.select(cfg, "data.colours") or hues(count)
    if len(given) < count:
        raise ValueError(f"{len(given)} colours for {count} classes: give one each")
    return tuple((int(c[0]), int(c[1]), int(c[2])) for c in itertools.islice(given, count))


def _check_settings(cfg: DictConfig) -> None:
    allowed: Mapping[str, Sequence[str]] = CHOICES
    for key, values in allowed.items():
        if cfg[key] not in values:
            raise ValueError(f"{key}={cfg[key]}: expected one of {', '.join(values)}")
    for key in ("radius", "radius_um", "mpp"):
        if cfg[key] is not None and not (isinstance(cfg[key], int | float) and cfg[key] > 0):
            raise ValueError(f"{key}={cfg[key]}: expected a number above 0")
    if not 0 < cfg.confidence < 1 or type(cfg.bootstrap) is not int or cfg.bootstrap < 0:
        raise ValueError(
            f"confidence={cfg.confidence} bootstrap={cfg.bootstrap}: expected a share such as 0.95 "
            "and a number of draws, 0 for none"
        )
    _check_classes(cfg)


def _check_classes(cfg: DictConfig) -> None:
    for key in ("true_class_map", "pred_class_map"):
        pairs = dict(cfg[key] or {}).items()
        if not all(type(k) is int and k >= 0 for pair in pairs for k in pair):
            raise ValueError(f"{key}={cfg[key]}: expected numbers, class stored: class wanted")
    if cfg.classes is not None and len(set(cfg.classes)) < len(cfg.classes):
        raise ValueError(f"classes={cfg.classes}: each needs a name of its own")
