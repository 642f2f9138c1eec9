from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile

from histoseg.contracts import Array
from histoseg.errors import UnreadableFileError
from histoseg.slides.pixels import SamplesError, on_white, to_uint8, turned_up, used_bits
from histoseg.slides.tiff import read_tiff

MAX_PIXELS = 2**30
"""Largest picture read at once, 3 GiB of RGB; above it a slide reader is the right tool."""

ORIENTATION = 0x0112
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# The classes are called by themselves: PIL.Image.open would refuse pictures above a limit that is a
# global of PIL, and pictures of tissue are legitimately large.
PILLOW_STARTS: dict[bytes, tuple[str, type[ImageFile]]] = {
    b"\x89PNG\r\n\x1a\n": ("PNG", PngImageFile),
    b"\xff\xd8\xff": ("JPEG", JpegImageFile),
    b"BM": ("BMP", BmpImageFile),
    b"P6": ("PPM", PpmImageFile),
    b"P5": ("PPM", PpmImageFile),  # gray
}


def read_image(path: Path, *, upright: bool = True, depth: int | None = None) -> Array:
    """Read a picture: PNG, JPEG, TIFF, BMP or PPM, whatever its suffix says.

    Transparency becomes white. Depths other than 8 bits are scaled as
    `histoseg.slides.pixels.to_uint8` says: 12 bits in a 16-bit file are not black. Colour profiles
    are not applied. At most ``MAX_PIXELS`` pixels.

    Args:
        path: The file.
        upright: Whether to turn the picture as its EXIF or TIFF orientation asks; without it the
            pixels stay where they are stored.
        depth: Bits that the values of 16-bit samples use, to scale several files alike
            (`used_depth` says it of one); None to judge by the file.

    Returns:
        (H, W, 3), uint8 RGB.

    Raises:
        UnreadableFileError: If the file is missing, empty, damaged, animated, a stack, too large,
            or no picture.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be opened: {error.strerror}") from error
    if not head:
        raise UnreadableFileError(f"{path} is empty (0 bytes): copy or export it again")
    try:
        pixels, orientation = _as_stored(path, head, depth)
    except (UnreadableFileError, MemoryError):
        raise
    except SamplesError as error:
        raise UnreadableFileError(f"{path}: {error}") from error
    except Exception as error:  # decoders raise a dozen kinds, none of which names the file
        raise UnreadableFileError(
            f"{path} ({path.stat().st_size} bytes) cannot be decoded, it is damaged or cut short"
            f" ({error}): copy or export it again"
        ) from error
    return np.ascontiguousarray(turned_up(pixels, orientation) if upright else pixels)


def used_depth(path: Path) -> int | None:
    """Bits that the values of a 16-bit PNG or TIFF use: 8, 12 or 16; None for other pictures.

    None also of a file that cannot be read: `read_image` says why.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(TIFF_STARTS):
            samples = tifffile.imread(path, key=0)
        elif head.startswith(b"\x89PNG") and _png_depth(path) == 16:
            samples = imagecodecs.png_decode(path.read_bytes())
        else:
            return None
    except Exception:  # decoders raise a dozen kinds
        return None
    return used_bits(int(samples.max(initial=0))) if samples.dtype == np.uint16 else None


def _as_stored(path: Path, head: bytes, depth: int | None) -> tuple[Array, int]:
    """Pixels (H, W, 3), uint8, as they lie in the file, and the orientation it asks for."""
    if head.startswith(TIFF_STARTS):
        return read_tiff(path, MAX_PIXELS, depth)
    for start, (kind, opener) in PILLOW_STARTS.items():
        if head.startswith(start):
            return _read_pillow(path, kind, opener, depth)
    raise UnreadableFileError(
        f"{path} ({path.stat().st_size} bytes) is not a PNG, JPEG, TIFF, BMP or PPM file (it starts"
        f" with {head[:8]!r}): convert it"
    )


def _read_pillow(
    path: Path, kind: str, opener: type[ImageFile], depth: int | None
) -> tuple[Array, int]:
    with path.open("rb") as file:
        image = opener(file, str(path))
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise UnreadableFileError(
                f"{path}: {width} x {height} pixels, more than {MAX_PIXELS:.3g};"
                " save it as a tiled TIFF"
            )
        if getattr(image, "n_frames", 1) > 1:
            raise UnreadableFileError(
                f"{path} is animated, expected one picture: save the wanted frame as a file"
            )
        if kind == "PNG" and _png_depth(path) == 16:
            rgb = _read_deep_png(path, depth)
        elif image.mode == "I":  # 16-bit gray of PPM
            gray = to_uint8(np.asarray(image).astype(np.uint16), 16)
            rgb = np.repeat(gray[..., None], 3, axis=-1)
        elif image.has_transparency_data:
            rgba = np.asarray(image.convert("RGBA"))
            rgb = on_white(rgba[..., :3], rgba[..., 3])
        else:
            rgb = np.asarray(image.convert("RGB"))
        return rgb, int(image.getexif().get(ORIENTATION, 1))


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]


def _read_deep_png(path: Path, depth: int | None) -> Array:
    # Pillow keeps only the upper byte of 16-bit colour: 12-bit pictures would come out black.
    samples = imagecodecs.png_decode(path.read_bytes())
    samples = samples.reshape(*samples.shape[:2], -1)
    colours = 3 if samples.shape[-1] >= 3 else 1
    rgb = np.repeat(to_uint8(samples[..., :colours], 16, depth), 3 // colours, axis=-1)
    if samples.shape[-1] == colours:
        return rgb
    return on_white(rgb, to_uint8(samples[..., -1], 16, depth))
