"""Prediction on slides and images of any size."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from tqdm import tqdm

from histoseg import __version__
from histoseg.engine.assembled import assembled
from histoseg.engine.class_names import name_classes
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.plain_errors import explain
from histoseg.engine.predict_image import BLENDED, DEEPLIIF, PRECISIONS
from histoseg.engine.predict_ranks import predict_by_ranks, write_summary
from histoseg.engine.ranks import rank, ranks_to_start, world
from histoseg.engine.record import write_provenance
from histoseg.engine.slides.finished import results_in
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.panels import inputs_of
from histoseg.engine.slides.picture_run import PictureRun
from histoseg.engine.slides.pictures import Picture, look_at
from histoseg.engine.slides.settings import PARTS, Settings, Writer
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.engine.slides.stamps import hash_of, hash_of_weights
from histoseg.engine.slides.workers import peak_memory, usual_count
from histoseg.errors import SlideError
from histoseg.modules import Pipeline
from histoseg.modules.base import Module
from histoseg.ops.symmetry import SYMMETRIES, symmetries
from histoseg.slides import SlideEntry, find_slides
from histoseg.slides.image import MAX_PIXELS
from histoseg.slides.resolution import MPP_AT_1X
from histoseg.writers import fits, refuse_missing, write_type_info

log = logging.getLogger(__name__)
ACCELERATORS = ("auto", "cpu", "gpu")
CACHE = 2**30
"""Bytes for maps of tiles that a later region needs again."""
LEAST = {"batch_size": 1, "region": 1, "halo": 0, "workers": 0, "tile_size": 1}
DECIDING = (
    *("model", "tta", "precision", "proc_mag", "stains", "tiling", "tile_size"),
    "save_translated",
)
"""Settings that decide what is found, besides those that `SlideRun` adds for each slide."""


def predict(cfg: DictConfig) -> list[dict[str, Any]]:
    """Run a checkpoint on slides and images and write what it found.

    Args:
        cfg: Composed from ``conf/predict.yaml``.

    Returns:
        One row a slide, as in ``summary.csv``: image, state, seconds, mm2, nuclei, peak_mb, error.

    Raises:
        FileNotFoundError: If there are no slides.
        MissingExtraError: If a writer needs a library that is not installed.
        OSError: If the output folder cannot be written; said before anything is computed.
        UnreadableFileError: If one cannot be read and ``on_error`` is ``raise``.
        SlideError: If one does not say its resolution and ``on_error`` is ``raise``.
        ValueError: If a setting is not one of those that there are.
    """
    keep_freed_memory()
    _check_settings(cfg)
    name_classes(cfg)
    output = Path(cfg.output)
    entries = _inputs(find_slides(cfg.input), output)
    _check_writable(output)
    count = ranks_to_start(cfg) if cfg.ranks is None else 0
    if count:
        return predict_by_ranks(cfg, count, output)
    _settle_ranks(cfg)
    settings = slide_settings(cfg, load(cfg))
    if settings.rank == 0:
        write_provenance(cfg, output)
        if settings.module.classes:
            write_type_info(output, settings.module.classes, settings.module.colours)
    rows: list[dict[str, Any]] = []
    bar = tqdm(entries, unit="image", disable=len(entries) == 1 or not sys.stderr.isatty())
    try:
        for number, entry in enumerate(bar):
            rows.append(_one(entry, settings, cfg, mine=number % cfg.ranks == cfg.rank))
            bar.set_postfix_str(f"{rows[-1]['nuclei']} nuclei in {entry.path.name}")
    finally:  # a run that is stopped says what it has done
        write_summary(output, rows, settings.rank if settings.ranks > 1 else None)
    found = f"{sum(row['nuclei'] for row in rows)} nuclei in "
    found = found if "instances" in settings.module.decoder.kinds else ""
    log.info("%s%d images; results in %s", found, len(rows), output)
    return rows


def load(cfg: DictConfig) -> Module:
    """The module of a checkpoint, ready to predict on the configured device.

    Raises:
        CheckpointError: If there is none, or its weights do not fit the configured model.
        ValueError: If there is no such device.
    """
    module = assembled(cfg)
    module.symmetries = symmetries(cfg.tta)
    if isinstance(module, Pipeline):
        if cfg.tiling == DEEPLIIF:
            raise ValueError("tiling=deepliif is for one model alone: leave it out with pipeline=")
        module.keep = cfg.save_translated
    elif cfg.save_translated:
        raise ValueError("save_translated=true is of pipelines: give pipeline=, or leave it out")
    if cfg.mpp is not None and module.mpp is None:
        log.warning("the model does not know its own mpp: images stay as they are")
    return module.to(_device(cfg))


def device_of(accelerator: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``gpu`` means.

    Raises:
        ValueError: If there is no such device.
    """
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ValueError("accelerator=gpu: PyTorch finds no CUDA device; use accelerator=cpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")


def slide_settings(cfg: DictConfig, module: Module) -> Settings:
    """What is the same for all slides of a run.

    Args:
        cfg: Composed from ``conf/predict.yaml``.
        module: From `load`.
    """
    if getattr(module.postprocess, "image_map", None) and not cfg.stains:
        raise ValueError("thresholds of optical density look at the image: leave out stains=false")
    output, kinds = module.tile - 2 * module.margin, module.decoder.kinds
    overlap = module.overlap if cfg.overlap is None else cfg.overlap
    if not 0 <= overlap < output:
        raise ValueError(f"overlap {overlap} does not fit outputs of {output} px")
    halo = cfg.halo if "instances" in kinds else 0
    at_once = max(1, cfg.batch_size // getattr(module, "tiles", 1))  # a piece has many tiles
    forward = Forward(module, at_once, PRECISIONS[cfg.precision])
    stays_whole = cfg.tiling == DEEPLIIF or len(inputs_of(module)) > 1
    plain = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    loading = OmegaConf.select(cfg, "data.dataset.loading")
    told = OmegaConf.to_container(loading) if loading else None
    deciding = [overlap, halo, told, *(plain.get(key) for key in DECIDING)]
    settings = Settings(
        output=Path(cfg.output),
        forward=forward,
        writers=_fitting(instantiate(cfg.writers), kinds),
        model_mpp=MPP_AT_1X / cfg.proc_mag if cfg.proc_mag else module.mpp,
        mpp=cfg.mpp,
        region=MAX_PIXELS if stays_whole else cfg.region,
        halo=halo,
        overlap=overlap,
        cache=CACHE,
        workers=usual_count() if cfg.workers is None else cfg.workers,
        tissue=str(cfg.tissue),
        stains=cfg.stains,
        save_mask=cfg.save_mask,
        save_thumb=cfg.save_thumb,
        rank=cfg.rank,
        ranks=cfg.ranks,
        loading=instantiate(loading) if loading else None,
    )
    return settings.stamped(
        hash_of([__version__, deciding, settings.cells, hash_of_weights(module.network)]),
        hash_of([plain["writers"], cfg.save_mask, cfg.save_thumb]),
    )


def _inputs(entries: list[SlideEntry], output: Path) -> list[SlideEntry]:
    """Those that an earlier run did not write; one alone is meant."""
    own = results_in(output / PARTS) if len(entries) > 1 else set()
    some = [entry for entry in entries if entry.path.resolve() not in own]
    if len(some) < len(entries):
        log.info("%d pictures in %s are results: left out", len(entries) - len(some), output)
    return some


def _one(entry: SlideEntry, settings: Settings, cfg: DictConfig, *, mine: bool) -> dict[str, Any]:
    """The row of one slide or image, also of one that fails; a small image is of one rank."""
    began = time.perf_counter()
    row: dict[str, Any] = {"image": str(entry.path), "state": "done", "nuclei": 0, "error": ""}
    try:
        seen = look_at(entry, settings)
        if isinstance(seen, Picture):
            row |= PictureRun(entry, seen, settings, cfg).run() if mine else {"state": "partial"}
        elif cfg.tiling == DEEPLIIF:
            raise SlideError(f"{entry.path}: tiling=deepliif is for pictures; leave it out")
        elif len(inputs := inputs_of(settings.module)) > 1:
            raise SlideError(
                f"{entry.path} is a slide, which is of one stain; the model translates "
                f"{', '.join(inputs)} together: give pictures with these side by side"
            )
        else:
            row |= SlideRun(entry, settings, settings.model_mpp if seen.flat else None).run()
    except Exception as error:  # whatever it is, the other slides are not at fault
        if cfg.on_error == "raise":
            raise
        said = explain(error)
        if said is None:
            log.exception("%s failed, and this should not happen", entry.path)
        row |= {"state": "failed", "error": said or f"{type(error).__name__}: {error}"}
    row.setdefault("peak_mb", round(peak_memory() / 2**20))
    return {**row, "seconds": round(time.perf_counter() - began, 3)}


def _fitting(writers: Mapping[str, Writer], kinds: frozenset[str]) -> dict[str, Writer]:
    """Those that write something of what a model gives."""
    some = {name: writer for name, writer in writers.items() if fits(writer, kinds)}
    for writer in some.values():
        refuse_missing(writer)
    what, left_out = ", ".join(sorted(kinds)), ", ".join(sorted(set(writers) - set(some)))
    if writers and not some:
        raise ValueError(
            f"the model gives {what or 'nothing'}, and no writer writes that: {left_out}. Add one,"
            " as +writers=stains or +writers=semantic"
        )
    if left_out and "instances" not in kinds:  # with objects most writers have something to do
        log.info("the model gives %s: nothing to write for %s", what, left_out)
    return some


def _check_settings(cfg: DictConfig) -> None:
    allowed = {
        "accelerator": ACCELERATORS,
        "precision": PRECISIONS,
        "on_error": ("skip", "raise"),
        "tta": SYMMETRIES,
        "tiling": (BLENDED, DEEPLIIF),
    }
    for key, values in allowed.items():
        if cfg[key] not in values:
            raise ValueError(f"{key}={cfg[key]}: expected one of {', '.join(values)}")
    for key, least in LEAST.items():
        if cfg[key] is not None and not (isinstance(cfg[key], int) and cfg[key] >= least):
            raise ValueError(f"{key}={cfg[key]}: expected {least} or more")
    for key, what in (("mpp", "micrometres per pixel"), ("proc_mag", "a magnification")):
        if cfg[key] is not None and not (isinstance(cfg[key], int | float) and cfg[key] > 0):
            raise ValueError(f"{key}={cfg[key]}: expected {what}, above 0")


def _settle_ranks(cfg: DictConfig) -> None:
    """Say which process this is: as it was told, else as a launcher says that started several."""
    if cfg.ranks is None and world() > 1:
        log.info("rank %d of %d; ranks=1 does all in this process", rank(), world())
    cfg.rank = int(rank() if cfg.rank is None else cfg.rank)  # what an environment gives is text
    cfg.ranks = int(world() if cfg.ranks is None else cfg.ranks)
    if not 0 <= cfg.rank < cfg.ranks:
        raise ValueError(f"rank={cfg.rank}: expected 0 to {cfg.ranks - 1}, as ranks={cfg.ranks}")


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as e:
        raise OSError(
            e.errno, f"cannot write there ({e.strerror}); choose another output=", str(folder)
        ) from e


def _device(cfg: DictConfig) -> torch.device:
    """The device of this process: of several ranks on a machine each has its own."""
    device = device_of(cfg.accelerator)
    if device.type == "cpu":
        return device
    local = int(os.environ.get("LOCAL_RANK", "0"))
    listed = isinstance(cfg.devices, ListConfig)
    return torch.device("cuda", cfg.devices[local] if listed else local)
