"""How DeepLIIF names the files of its networks, and what its options say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from histoseg.errors import CheckpointError

Scheme = Literal["old", "new"]
Colour = tuple[int, int, int]
_FILE = re.compile(r"^(?:(?P<epoch>.+)_net_)?(?P<name>[GD][^.]*)\.(?P<kind>pth|pt)$")
_MODALITIES = ("Hema", "DAPI", "Lap2", "Marker")
_PUBLISHED_WEIGHTS = (0.5, 0.0, 0.0, 0.0, 0.5)  # what its `test` takes for old models
_TRAINING_WEIGHTS = (0.25, 0.15, 0.25, 0.1, 0.25)


@dataclass(frozen=True)
class Names:
    """Names of the networks of a model, without epoch and suffix.

    Attributes:
        count: Number of modalities.
        seg: What stands before the number of a segmentation network; empty if there are none.
        first: Number of the segmentation network of the base input.
    """

    count: int
    seg: str
    first: int

    def translators(self, letter: str = "G") -> list[str]:
        """Name the translators, or with ``D`` their discriminators, in order."""
        return [f"{letter}{i + 1}" for i in range(self.count)]

    def segmenters(self, letter: str = "G") -> list[str]:
        """Name the segmentation networks, that of the base input first, or their discriminators."""
        numbers = range(self.first, self.first + self.count + 1) if self.seg else ()
        return [f"{letter}{self.seg}{k}" for k in numbers]


class Facts(NamedTuple):
    """What DeepLIIF's options say of a model.

    Attributes:
        inputs: Names of the input panels.
        modalities: Names of what is translated to.
        seg_weights: Weight of each segmentation network, that of the base input first.
        tile: Height and width that the networks see, pixels.
        backgrounds: RGB of each modality where there is no tissue; empty where nothing says it.
    """

    inputs: tuple[str, ...]
    modalities: tuple[str, ...]
    seg_weights: tuple[float, ...]
    tile: int
    backgrounds: tuple[Colour, ...]


def names_of(scheme: Scheme, count: int, segmented: bool) -> Names:
    """Name the networks of a model: ``old`` as published (G51), ``new`` as today (GS0).

    Raises:
        ValueError: If the scheme is unknown or has no names for so many modalities.
    """
    if scheme not in ("old", "new") or (scheme == "old" and count > 8):
        raise ValueError(
            f"scheme {scheme!r} does not name {count} modalities; choose 'new', or 'old' for 8 "
            "or fewer"
        )
    seg, first = ("S", 0) if scheme == "new" else (str(count + 1), 1)
    return Names(count, seg if segmented else "", first)


def find_files(folder: Path, epoch: str) -> dict[str, Path]:
    """List the files of networks by the networks' names.

    Args:
        folder: Where they are. ``.pth`` goes before ``.pt``, which has no epoch and is taken as
            the latest.
        epoch: ``latest``, a number, or ``iter_<number>``.

    Raises:
        FileNotFoundError: If there is no such folder, or no network of that epoch in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; check the path")
    files = [match for path in sorted(folder.iterdir()) if (match := _FILE.match(path.name))]
    wanted = (epoch, None) if epoch == "latest" else (epoch,)
    fitting = [match for match in files if match["epoch"] in wanted]
    if not fitting:
        epochs = sorted({match["epoch"] for match in files if match["epoch"]})
        raise FileNotFoundError(
            f"{folder} holds no networks of epoch {epoch!r}, such as {epoch}_net_G1.pth; epochs "
            f"that are there: {', '.join(epochs) or 'none'}"
        )
    fitting.sort(key=lambda match: (match["epoch"] is not None, match["kind"] == "pth"))
    return {match["name"]: folder / match.string for match in fitting}


def detected_names(found: Sequence[str], options: Mapping[str, Any]) -> Names:
    """Tell from the names of files how many modalities there are and how networks are named.

    Args:
        found: Names of networks.
        options: Those of ``train_opt.txt``, empty without it; they count modalities.

    Raises:
        CheckpointError: If the names are those of another class of models, or of no generator.
    """
    if strange := [name for name in found if "_" in name or re.match(r"^[GD][AB]\d*$", name)]:
        raise CheckpointError(
            f"{', '.join(strange[:3])} are names of DeepLIIFExt, SDG or CycleGAN; expected a "
            "model of the class DeepLIIF: G1, G2, ... and G51, G52, ... or GS0, GS1, ..."
        )
    largest = max((int(name[1]) for name in found if re.match(r"^G\d$", name)), default=0)
    seg, numbers = "", [0]
    for candidate in ("S", "5", str(largest + 1)):
        matches = [re.match(rf"^G{candidate}(\d+)$", name) for name in found]
        if any(matches):
            seg, numbers = candidate, [int(match[1]) for match in matches if match]
            break
    plain = [name for name in found if re.match(r"^G\d+$", name)]
    if seg:
        plain = [name for name in plain if not re.match(rf"^G{seg}\d+$", name)]
    count = _count(options)
    if count is None:
        count = max((int(name[1:]) for name in plain), default=0)
    if not plain and not seg:
        raise CheckpointError(f"no generator is among the networks {', '.join(found)}")
    return Names(count, seg, 0 if 0 in numbers else 1)


def facts_of(options: Mapping[str, Any], names: Names, panels: int) -> Facts:
    """Say what the options and, where they are silent, DeepLIIF's own defaults say.

    Args:
        options: Those of ``train_opt.txt``, empty without it.
        names: How networks are named.
        panels: Number of input panels.

    Raises:
        CheckpointError: If the options do not fit the networks.
    """
    given = options.get("modalities_names")
    count = names.count
    if given:
        if not isinstance(given, list | tuple) or len(given) != panels + count:
            raise CheckpointError(
                f"modalities_names of train_opt.txt is {given}; expected {panels} names of inputs "
                f"and {count} of modalities"
            )
        inputs, modalities = tuple(given[:panels]), tuple(given[panels:])
    elif given is None and count == len(_MODALITIES) and panels == 1:
        inputs, modalities = ("IHC",), _MODALITIES
    else:
        inputs = tuple(f"input{i + 1}" for i in range(panels))
        modalities = tuple(f"mod{i + 1}" for i in range(count))
    tile = options.get("scale_size", 512)
    if not isinstance(tile, int) or tile < 1:
        raise CheckpointError(f"scale_size of train_opt.txt is {tile!r}; expected pixels")
    grounds = _backgrounds(options, count)
    return Facts(inputs, modalities, _seg_weights(options, names), tile, grounds)


def _backgrounds(options: Mapping[str, Any], count: int) -> tuple[Colour, ...]:
    """Colours of the modalities; one of the class map may follow."""
    given = options.get("background_colors")
    if not given:
        return ()
    colours = list(given.values()) if isinstance(given, dict) else given
    if not isinstance(colours, list | tuple) or not all(map(_is_colour, colours)):
        colours = ()
    if len(colours) not in (count, count + 1):
        raise CheckpointError(
            f"background_colors of train_opt.txt is {given}; expected {count} colours (R, G, B) of "
            "0 to 255, one for each modality; delete the line for the usual ones"
        )
    return tuple((red, green, blue) for red, green, blue in colours[:count])


def _is_colour(values: object) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == 3
        and all(isinstance(v, int) and 0 <= v <= 255 for v in values)
    )


def _count(options: Mapping[str, Any]) -> int | None:
    """Number of modalities that the options tell; old ones counted the class map too."""
    for key, surplus in (("modalities_no", 0), ("targets_no", 1)):
        value = options.get(key)
        if isinstance(value, int) and value >= surplus:
            return value - surplus
        if value is not None:
            raise CheckpointError(f"{key} of train_opt.txt is {value!r}; expected a number")
    return None


def _seg_weights(options: Mapping[str, Any], names: Names) -> tuple[float, ...]:
    if not names.seg:
        return ()
    standard = names.count == len(_MODALITIES)
    aged = bool(options) or names.first == 1  # without options, only the names tell the age
    if standard and aged and "modalities_names" not in options:
        return _PUBLISHED_WEIGHTS
    uniform = (1 / (names.count + 1),) * (names.count + 1)
    weights = options.get("seg_weights") or (_TRAINING_WEIGHTS if standard else uniform)
    numbers = isinstance(weights, list | tuple) and all(
        isinstance(weight, int | float) for weight in weights
    )
    if not numbers or len(weights) != names.count + 1:
        raise CheckpointError(
            f"seg_weights of train_opt.txt is {weights}; expected {names.count + 1} numbers"
        )
    return tuple(float(weight) for weight in weights)
