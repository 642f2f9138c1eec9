"""Reports as one HTML file that needs no network and no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

import cv2
import jinja2

from histoseg.contracts import Array
from histoseg.writers.files import whole_file


@dataclass(frozen=True)
class PageTable:
    """A table of a page; a click on a head sorts it.

    Attributes:
        columns: Heads.
        rows: Cells as text, as many a row as there are columns.
        caption: Above the table.
        best: Rows that stand out, from 0.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    best: frozenset[int] = frozenset()

    @property
    def numbers(self) -> frozenset[int]:
        """Columns that are set to the right, because all of their cells begin like numbers."""
        return frozenset(
            i
            for i in range(len(self.columns))
            if self.rows and all(row[i] == "" or _is_number(row[i]) for row in self.rows)
        )


@dataclass(frozen=True)
class PagePicture:
    """A picture of a page.

    Attributes:
        png: The file's bytes.
        caption: Below the picture, and what is read out in its place.
    """

    png: bytes
    caption: str = ""

    @classmethod
    def of(cls, picture: Array, caption: str = "") -> PagePicture:
        """Make one of a picture (H, W, 3), uint8 RGB."""
        _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return cls(png.tobytes(), caption)

    @property
    def data(self) -> str:
        """The file as text, base64."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class PageSection:
    """A part of a page with a heading: text, then tables, pictures, and code to unfold.

    Attributes:
        title: The heading, also in the page's bar.
        text: A paragraph; line breaks are kept.
        tables: In this order.
        pictures: In this order.
        code: Shown on request, as it is.
        code_title: What to click for it.
    """

    title: str
    text: str = ""
    tables: Sequence[PageTable] = field(default=())
    pictures: Sequence[PagePicture] = field(default=())
    code: str = ""
    code_title: str = "Show"


def write_page(
    path: Path, title: str, subtitle: str, sections: Sequence[PageSection], footer: str = ""
) -> Path:
    """Write a page, whole or not at all.

    Args:
        path: Of the HTML file.
        title: Heading of the page.
        subtitle: Below it.
        sections: From top to bottom; ``n`` and ``p`` leaf through them.
        footer: At the end.

    Returns:
        The file.

    Raises:
        OSError: If it cannot be written.
    """
    text = _template().render(title=title, subtitle=subtitle, sections=sections, footer=footer)
    with whole_file(path) as file:
        file.write(text.encode())
    return path


@cache
def _template() -> jinja2.Template:
    source = (resources.files(__package__) / "templates" / "page.html").read_text("utf-8")
    room = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return room.from_string(source)


def _is_number(cell: str) -> bool:
    try:
        float(cell.split()[0].replace(",", "").rstrip("%"))
    except ValueError:
        return False
    return True
