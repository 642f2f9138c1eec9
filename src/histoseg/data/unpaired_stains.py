from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from histoseg.data.file_dataset import OnError
from histoseg.data.splits import FRACTIONS, split_items
from histoseg.data.stain_folder import Regions, StainFolder, check_names, group_of, list_files
from histoseg.data.unpaired import Unpaired
from histoseg.errors import ContractError, DatasetNotFoundError

_SPLITS = ("train", "val", "test")


class UnpairedStains(Unpaired):
    """Pictures of stains that have nothing to do with each other: a folder for each stain.

    Pictures may be of any size and format, and of slides regions in tissue are taken. Which items
    there are, `Unpaired` says.

    A folder with a sub-folder of the split's name gives that. Else its files are shared out by
    ``fractions``; what has one name in two stains comes into the same split, and so do all regions
    of a slide. A root with ``trainA`` and ``trainB``, as the official code has it, gives the first
    and the second stain.

    Args:
        root: Folder with one folder a stain.
        split: train, val or test.
        stains: Names of the stains; the first is drawn in order.
        folders: Stain -> its folder, where that is not in ``root``.
        fractions: Share of the pictures in each split.
        seed: Of the partition.
        group_pattern: Regular expression that finds the patient or slide in a name.
        regions: How slides are cut; see `Regions`.
        mpp: Micrometres per pixel. Slides are read so; of pictures it is believed.
        on_error: As in `FileDataset`.

    Raises:
        DatasetNotFoundError: If a stain has no folder or no picture.
        ContractError: If names clash, or there are too few pictures to share out.
        SlideError: See `StainFolder`.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        stains: Sequence[str],
        folders: Mapping[str, str] | None = None,
        fractions: Mapping[str, float] = FRACTIONS,
        seed: int = 0,
        group_pattern: str | None = None,
        regions: Callable[[], Regions] = Regions,
        mpp: float | None = None,
        on_error: OnError = "raise",
    ) -> None:
        check_names(stains, list(folders or {}))
        places = {s: _folder(Path(root), split, stains, s, folders or {}) for s in stains}
        files = {stain: list_files(place, stain) for stain, (place, _) in places.items()}
        whole = {stain: files[stain] for stain, (_, alone) in places.items() if not alone}
        files |= _shared_out(whole, split, _sharing(fractions, seed, group_pattern))
        domains = {s: StainFolder(s, files[s], regions(), mpp) for s in stains}
        super().__init__(domains, split, on_error)


def _folder(
    root: Path, split: str, stains: Sequence[str], stain: str, given: Mapping[str, str]
) -> tuple[Path, bool]:
    """Where pictures of a stain are, and whether these are those of the split alone."""
    if stain not in given and len(stains) == 2 and (root / "trainA").is_dir():
        place, alone = root / f"{split}{'AB'[list(stains).index(stain)]}", True
    else:
        place, alone = Path(given.get(stain, root / stain)), False
    if not place.is_dir():
        leave_out = f", or leave the split out: ~data.splits.{split}" if alone else ""
        raise DatasetNotFoundError(
            f"there is no folder {place} with pictures of stain {stain!r}. Make it, or say where "
            f"they are: data.dataset.folders={{{stain}: <folder>}}{leave_out}"
        )
    there = [name for name in _SPLITS if (place / name).is_dir()]
    if alone or not there:
        return place, alone
    if split not in there:
        raise DatasetNotFoundError(
            f"{place} has folders {', '.join(there)}, and none called {split}: make it, take "
            f"another with data.splits.{split}.split={there[-1]}, or leave it out: "
            f"~data.splits.{split}"
        )
    return place / split, True


Sharing = Callable[[Sequence[str], str], list[str]]


def _sharing(fractions: Mapping[str, float], seed: int, pattern: str | None) -> Sharing:
    """Names and a split to the names in it."""

    def share(names: Sequence[str], split: str) -> list[str]:
        groups = {name: group_of(name, pattern) for name in names}
        return split_items(groups, split, fractions, seed, None)

    return share


def _shared_out(
    files: Mapping[str, dict[str, Path]], split: str, share: Sharing
) -> dict[str, dict[str, Path]]:
    """The files of a split, of stains whose folders do not say it."""
    names = [set(found) for found in files.values()]
    alike = len(names) > 1 and bool(set.intersection(*names))
    every = sorted(set.union(*names)) if alike else []
    kept = {}
    for stain, found in files.items():
        try:
            wanted = set(share(every or list(found), split))
        except ValueError as error:
            raise ContractError(
                f"stain {stain!r} has {len(found)} files, too few to share out: {error}. A slide "
                "is one file; cut it into pictures with histoseg patches, or make folders train, "
                "val and test yourself"
            ) from error
        kept[stain] = {name: path for name, path in found.items() if name in wanted}
        if not kept[stain]:
            raise ContractError(
                f"stain {stain!r} has {len(found)} files and none of them in {split}: bring more, "
                "or make folders train, val and test yourself"
            )
    return kept
