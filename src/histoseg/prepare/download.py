"""Fetching a file of gigabytes over lines that break."""

from __future__ import annotations

import http.client
import logging
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from histoseg import __version__
from histoseg.errors import DatasetNotFoundError, UnreadableFileError
from histoseg.prepare.archive import BLOCK, Archive

TRIES = 5  # in a row without a byte, once there was one
FIRST_TRIES = 2
TIMEOUT = 30  # seconds without a byte
_log = logging.getLogger(__name__)
_CUT = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


def fetch(archive: Archive, folder: Path, *, wait: float = 1.0) -> Path:
    """Download a file, or go on where an earlier call was cut.

    What has arrived lies in ``<name>.part`` until it is complete and fits what its source states.

    Args:
        archive: What to fetch; a file of its name that is there already is only checked.
        folder: Where it goes.
        wait: Seconds before the second try, twice as many before each further one.

    Returns:
        The file.

    Raises:
        DatasetNotFoundError: If it cannot be reached; says where to put it by hand.
        UnreadableFileError: If it is not the file that its source states.
        OSError: If the disk is too small.
    """
    path = folder / archive.name
    if path.is_file():
        archive.check(path)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{archive.name}.part")
    failures = 0
    while True:
        before = _size(part)
        fault = _try(archive, path, part)
        if not fault:
            return _complete(archive, part, path)
        failures = 1 if _size(part) > before else failures + 1
        if failures >= (TRIES if _size(part) else FIRST_TRIES):
            raise _unreachable(archive, path, fault)
        _log.warning("%s: %s; trying again", archive.url, fault)
        time.sleep(wait * 2 ** (failures - 1))


def _try(archive: Archive, path: Path, part: Path) -> str:
    """Fetch what is missing; why that has to be tried again, or "" when all is there."""
    try:
        return "" if _go_on(archive, part) else "the connection was cut"
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and part.is_file():
            part.unlink()  # complete or too long, which cannot be told apart: anew
        elif error.code < http.client.INTERNAL_SERVER_ERROR:
            raise _unreachable(archive, path, f"HTTP {error.code} {error.reason}") from error
        return str(error)
    except _CUT as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _go_on(archive: Archive, part: Path) -> bool:
    """Fetch what is still missing; whether all is there now."""
    have, tag = _size(part), part.with_name(f"{part.name}.tag")
    headers = {"User-Agent": f"histoseg/{__version__}"}
    if have and tag.is_file():  # a file that has changed meanwhile is sent whole
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    request = urllib.request.Request(str(archive.url), headers=headers)
    with _opened(request) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise DatasetNotFoundError(
                f"{archive.url} answers with a web page instead of the file (a login or a consent, "
                f"perhaps): fetch it with a browser, save it as {part.with_suffix('')}, and run "
                "the same command again"
            )
        have = have if answer.status == http.client.PARTIAL_CONTENT else 0
        validator = answer.headers["ETag"] or answer.headers["Last-Modified"]
        if validator and not validator.startswith("W/"):
            tag.write_text(validator)
        else:
            tag.unlink(missing_ok=True)
        length = answer.headers["Content-Length"]
        total = None if length is None else have + int(length)
        _check_space(part, 0 if total is None else total - have)
        have += _copy(answer, part, have, total)
        return total in (None, have)


@contextmanager
def _opened(request: urllib.request.Request) -> Iterator[http.client.HTTPResponse]:
    if request.type not in ("http", "https"):
        raise ValueError(f"{request.full_url}: expected an address of http or https")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        yield answer


def _copy(answer: http.client.HTTPResponse, part: Path, have: int, total: int | None) -> int:
    bar = tqdm(
        initial=have,
        total=total,
        unit="B",
        unit_scale=True,
        desc=part.stem,
        disable=not sys.stderr.isatty(),
    )
    with bar, part.open("ab" if have else "wb") as file:
        while block := answer.read(BLOCK):
            file.write(block)
            bar.update(len(block))
        return file.tell() - have


def _complete(archive: Archive, part: Path, path: Path) -> Path:
    try:
        archive.check(part)
    except UnreadableFileError:
        part.unlink()  # going on with it would never make it right
        raise
    finally:
        part.with_name(f"{part.name}.tag").unlink(missing_ok=True)
    return part.replace(path)


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise OSError(
            f"{part.name} needs {needed / 1e9:.1f} GB more and {part.parent} has "
            f"{free / 1e9:.1f} GB free: free some, or set raw=<folder on a larger disk>"
        )


def _unreachable(archive: Archive, path: Path, why: str) -> DatasetNotFoundError:
    return DatasetNotFoundError(
        f"{archive.url} cannot be fetched ({why}). Without a network here, fetch it elsewhere, put "
        f"it at {path.absolute()}, and run the same command again; what has arrived so far is kept"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
