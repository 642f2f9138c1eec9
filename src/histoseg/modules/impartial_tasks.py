"""The tasks of a configuration, by names, as losses take them, by numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from histoseg.contracts import BACKGROUND, Plane, planes_of
from histoseg.errors import ContractError
from histoseg.losses import MixtureTask

_log = logging.getLogger(__name__)
PerTask = Mapping[str, Sequence[float]]


def mixture_tasks(
    tasks: Mapping[str, Sequence[str]],
    channels: Sequence[str],
    *,
    components: int | Mapping[str, Sequence[int]] = 2,
    explained: Mapping[str, Sequence[str]] | None = None,
    task_weights: Mapping[str, float] | None = None,
    class_weights: PerTask | None = None,
    channel_weights: PerTask | None = None,
) -> tuple[MixtureTask, ...]:
    """Number what a configuration names.

    Args:
        tasks: The classes of each task.
        channels: Those of the image, in their order.
        components: Of each class and each background; by task, of its classes and its background.
        explained: By task, the channels whose values its components explain; all where not named.
        task_weights: By task; equal ones that sum to 1 where None.
        class_weights: By task, of its classes; likewise.
        channel_weights: By task, of its explained channels; likewise.

    Raises:
        ValueError: If a name is not there, or numbers do not fit.
    """
    planes_of(tasks)
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(f"channels are {list(channels)}: expected one different name for each")
    for name, given in {
        "components": None if isinstance(components, int) else components,
        "explained": explained,
        "task_weights": task_weights,
        "class_weights": class_weights,
        "channel_weights": channel_weights,
    }.items():
        if unknown := sorted(set(given or ()) - set(tasks)):
            raise ValueError(f"{name} names task {unknown[0]!r}; there are {list(tasks)}")
    found = []
    for task, classes in tasks.items():
        count = len(classes) + 1
        parts = (components,) * count if isinstance(components, int) else components.get(task, ())
        if len(parts) != count:
            raise ValueError(
                f"components of task {task!r} are {list(parts)}: expected {count}, of its classes "
                f"{list(classes)} and of the background"
            )
        some = (explained or {}).get(task, channels)
        if unknown := [name for name in some if name not in channels]:
            raise ValueError(
                f"task {task!r} explains channel {unknown[0]!r}; the image has {list(channels)}"
            )
        found.append(
            MixtureTask(
                tuple(parts),
                tuple(list(channels).index(name) for name in some),
                1 / len(tasks) if task_weights is None else task_weights.get(task, 1.0),
                tuple((class_weights or {}).get(task, ())),
                tuple((channel_weights or {}).get(task, ())),
            )
        )
    return tuple(found)


def check_strokes(planes: Sequence[Plane], pixels: Sequence[float]) -> None:
    """Refuse to go on without strokes; warn of a class or a background that has none.

    Args:
        planes: Of scribbles.
        pixels: How many strokes of each were seen in an epoch.

    Raises:
        ContractError: If no class of any task has a stroke.
    """
    missing = [plane for plane, count in zip(planes, pixels, strict=True) if not count]
    if all(plane in missing for plane in planes if plane.name != BACKGROUND):
        raise ContractError(
            "in a whole epoch there was no stroke of any class: nothing can be learned from these "
            "scribbles. Draw on some cells of each class, and around them"
        )
    for task, name in missing:
        _log.warning(
            "in a whole epoch there was no stroke of %r of task %r: what the model says of it is "
            "not to be trusted. Draw some, or leave it out of data.tasks",
            name,
            task,
        )
