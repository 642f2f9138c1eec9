"""The fenced blocks of README.md and docs/, which tests run so that they stay true."""

import re
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "experiments" / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:py|yaml))\n")


def blocks(page: Path, language: str) -> Iterator[str]:
    """The contents of a page's fenced blocks in a language."""
    for found, text in BLOCK.findall(page.read_text()):
        if found == language:
            yield text


def files(page: Path, language: str) -> dict[str, str]:
    """The blocks whose first line names the file that they are: path -> content."""
    named = ((FILE.match(text), text) for text in blocks(page, language))
    return {match[1]: text for match, text in named if match}
