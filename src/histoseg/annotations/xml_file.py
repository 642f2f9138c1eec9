from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from histoseg.errors import UnreadableFileError


def read_xml(path: Path, root: str | None = None) -> Element:
    """Read an XML file without entities, document types or links to other files.

    Args:
        path: The file; a byte-order mark is fine.
        root: Name its root element must have, if any.

    Returns:
        The root.

    Raises:
        UnreadableFileError: If it is missing, damaged, wrongly encoded, or another kind of XML.
    """
    try:
        element: Element = fromstring(path.read_bytes(), forbid_dtd=True)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
    except ParseError as error:
        line, column = error.position
        raise UnreadableFileError(
            f"{path}, line {line}, column {column}: not well-formed XML, the file is damaged, cut "
            f"short or wrongly encoded ({error}): export it again"
        ) from error
    except (ValueError, LookupError) as error:  # defusedxml's own, and unknown encodings
        raise UnreadableFileError(
            f"{path} declares entities, a document type or an unknown encoding, which annotations "
            f"do not need: refused ({error})"
        ) from error
    if root is not None and element.tag != root:
        raise UnreadableFileError(f"{path}: its root is <{element.tag}>, expected <{root}>")
    return element


def number(text: str | None) -> float:
    """A number as an attribute says it; NaN where it says none.

    Example:
        >>> number("12.5"), number("twelve"), number(None)
        (12.5, nan, nan)
    """
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
