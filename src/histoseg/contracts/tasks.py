"""What scribbles tell apart: tasks, the classes of each, and the plane of each of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

BACKGROUND = "background"


class Plane(NamedTuple):
    """What one plane of ``scribbles`` marks.

    Attributes:
        task: Name of the task.
        name: A class of the task, or "background": none of them.
    """

    task: str
    name: str


def planes_of(tasks: Mapping[str, Sequence[str]]) -> tuple[Plane, ...]:
    """Name the planes of scribbles in their order: task by task, its classes, its background.

    The classes of a task exclude each other; those of different tasks do not: a nucleus lies in
    its cell.

    Args:
        tasks: The classes of each task by its name, without the background.

    Returns:
        One for each plane.

    Raises:
        ValueError: If there is no task, a task has no class, or two of its classes have one name.

    Example:
        >>> [plane.name for plane in planes_of({"cells": ["cell"], "nuclei": ["live", "dead"]})]
        ['cell', 'background', 'live', 'dead', 'background']
    """
    if not tasks:
        raise ValueError("there is no task: name one and its classes, as tasks={cells: [cell]}")
    for task, classes in tasks.items():
        if isinstance(classes, str) or not classes or len({*classes, BACKGROUND}) <= len(classes):
            raise ValueError(
                f"task {task!r} has the classes {classes!r}: expected a list of one or more "
                f"different names, without {BACKGROUND!r}, which every task has besides"
            )
    return tuple(Plane(t, name) for t, names in tasks.items() for name in (*names, BACKGROUND))
