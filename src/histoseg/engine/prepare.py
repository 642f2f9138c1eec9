"""From what a source publishes to a set that can be trained on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from histoseg.engine.in_place import InPlace, ReadOnly
from histoseg.engine.prepare_strips import prepare_strips
from histoseg.engine.prepare_subimages import prepare_subimages
from histoseg.errors import UnreadableFileError
from histoseg.prepare import (
    Archive,
    ClassNames,
    Facts,
    Store,
    convert,
    obtain,
    problems,
    reasons,
    summary,
    twins,
)

log = logging.getLogger(__name__)


def prepare(cfg: DictConfig) -> dict[str, Any]:
    """Fetch, check and convert a set, going on where an earlier call was cut.

    A recipe with ``sets`` joins pictures of stains: `prepare_strips`; one with ``crops`` cuts what
    was marked in stacks: `prepare_subimages`. One without ``source`` is of
    a set that its data set class reads as it was downloaded: every item is read once, and nothing
    is written.

    Args:
        cfg: Composed from ``conf/prepare.yaml``.

    Returns:
        What ``dataset.json`` says.

    Raises:
        DatasetNotFoundError: If the set is not there and cannot be fetched.
        UnreadableFileError: After all items, if some of them cannot be read or the set is not
            what its source states.
        ContractError: If the output folder is not one of ours, or there is no item.
        OSError: If the disk is full or may not be written.
    """
    recipe = cfg.prepare
    log.info("%s: %s\nlicence: %s", recipe.name, recipe.page, recipe.licence)
    if "sets" in recipe:
        return prepare_strips(cfg)
    if "crops" in recipe:
        return prepare_subimages(cfg)
    source = InPlace(cfg.data) if recipe.source is None else instantiate(recipe.source)
    archives = [Archive(**archive) for archive in recipe.archives]
    found = obtain(source, archives, Path(cfg.raw), download=cfg.download, by_hand=recipe.by_hand)
    facts = _facts(recipe)
    if recipe.source is None:
        store: Store | ReadOnly = ReadOnly(facts)
    else:
        options: dict[str, Any] = OmegaConf.to_container(recipe.source, resolve=True)  # type: ignore[assignment]
        make = instantiate(recipe.store) if "store" in recipe else Store
        store = make(Path(cfg.output), facts, options)
    convert(found, store)
    expected = recipe.expected
    mark = store.finish(problems(store.rows(), expected.counts or {}, expected.stated_by))
    log.info("%s", summary(store.rows(), facts.classes, store.report()))
    why = reasons(store.report())
    if why:
        log.info("report.csv, by reason:\n%s", why)
    for sentence in twins(store.rows()):
        log.warning(sentence)
    log.info("%s: %s", recipe.name, cfg.output)
    _refuse_incomplete(mark, cfg.output)
    return mark


def _facts(recipe: DictConfig) -> Facts:
    said = OmegaConf.to_container(recipe.classes) if recipe.classes else []
    names = ClassNames(said)  # type: ignore[arg-type]
    given = recipe.colours
    return Facts(
        name=recipe.name,
        classes=names.names,
        colours=names.colours() if given is None else tuple((c[0], c[1], c[2]) for c in given),
        mpp=recipe.mpp,
        licence=recipe.licence,
        source=recipe.page,
    )


def _refuse_incomplete(mark: dict[str, Any], output: str) -> None:
    wrong = [*mark["problems"]]
    if mark["failed"]:
        wrong.append(f"{len(mark['failed'])} items failed: {', '.join(mark['failed'][:5])}")
    if wrong:
        raise UnreadableFileError(
            f"{'; '.join(wrong)}. All else is in {output}. Mend the raw files and run the same "
            "command again: what is done is not done twice"
        )
