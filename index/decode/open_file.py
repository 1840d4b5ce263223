"""The content of a picture file -> an open Pillow image of one known format, its header read.

Only the reader of the format that the first bytes say is ever run. The extras `heif` and `jxl`
bring two more readers.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from unprompt.index.decode.faults import FaultyPictureError, UnsupportedKindError
from unprompt.index.decode.jxl_size import jxl_size
from unprompt.index.decode.kinds import HEIF, JXL, find_kind
from unprompt.index.decode.lean.avif import lean_avif
from unprompt.index.decode.lean.gif import lean_gif
from unprompt.index.decode.lean.jp2 import lean_jp2
from unprompt.index.decode.lean.jpeg import lean_jpeg
from unprompt.index.decode.lean.parts import LARGEST_NOTE, Lean
from unprompt.index.decode.lean.png import lean_png
from unprompt.index.decode.lean.ppm import lean_ppm
from unprompt.index.decode.lean.tiff import lean_tiff
from unprompt.index.decode.orientation import read_orientation
from unprompt.index.decode.quiet_tiff import silence_libtiff

_LEAN: dict[str, Callable[[bytes], Lean]] = {
    "PNG": lean_png, "JPEG": lean_jpeg, "GIF": lean_gif, "TIFF": lean_tiff, "AVIF": lean_avif,
    "PPM": lean_ppm, "JPEG2000": lean_jp2,
}  # fmt: skip
# Readers that Pillow has written in Python, and the pixels that they read in a few seconds.
_SLOW, MOST_SLOW_PIXELS = ("ppm", "ppm_plain", "bmp_rle"), 2_000_000
MOST_PASSED_PIXELS = 1_300_000_000  # pixels of a JPEG times its scans: ten seconds

# A damaged file is one row with a reason; Pillow would say more on stderr, without its name.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class OpenFile(NamedTuple):
    """A picture that is open and not yet decoded."""

    image: Image.Image
    turned: int  # how its pixels are to be turned, as EXIF counts it; 1 is upright


@contextmanager
def open_file(content: bytes, max_pixels: int) -> Iterator[OpenFile]:
    """Open a picture without decoding it, for the block.

    Raises UnsupportedKindError for another kind of file, and FaultyPictureError for a picture that
    declares too many pixels, or none. Damaged bytes raise nearly any error of Python.
    """
    kind = find_kind(content)
    if kind.format is None or not _can_read(kind.format):
        raise UnsupportedKindError(kind, content[:16])
    lean = _lean(content, kind.format, max_pixels)
    if kind.format == "TIFF":
        silence_libtiff()
    try:
        image = Image.open(io.BytesIO(lean.content), formats=(kind.format,))
    except UnidentifiedImageError as error:
        raise FaultyPictureError(f"it is a damaged {kind.name}, or one cut short") from error
    except Image.DecompressionBombError as error:
        raise FaultyPictureError(f"it declares too many pixels ({error})") from error
    with image:
        check_pixels(image.size, max_pixels)
        _check_time(image, lean.passes)
        exif, xmp = lean.exif, lean.xmp
        if kind.format not in _LEAN or kind.format == "AVIF":
            exif, xmp = (_note(image, name) for name in ("exif", "xmp"))
        yield OpenFile(image, read_orientation(exif, xmp))


def _check_time(image: Image.Image, passes: int) -> None:
    """Raise FaultyPictureError for a picture that takes its decoder very long."""
    pixels, tiles = image.width * image.height, getattr(image, "tile", ())
    if pixels > MOST_SLOW_PIXELS and any(tile[0] in _SLOW for tile in tiles[:1]):
        raise FaultyPictureError(
            f"it is a {image.format} of a kind that is slow to read, with more than "
            f"{MOST_SLOW_PIXELS / 1e6:g} megapixels; convert it to PNG"
        )
    if passes * pixels > MOST_PASSED_PIXELS:
        raise FaultyPictureError(f"it has {passes} scans of {pixels / 1e6:g} megapixels each")


def _note(image: Image.Image, name: str) -> bytes:
    value = image.info.get(name)
    return value[:LARGEST_NOTE] if isinstance(value, bytes) else b""


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Raise FaultyPictureError for a picture with more pixels, or without any."""
    width, height = size
    if width < 1 or height < 1:
        raise FaultyPictureError(f"it declares {width}x{height} pixels")
    if width * height > max_pixels:
        raise FaultyPictureError(
            f"it declares {width}x{height} pixels ({width * height / 1e6:g} megapixels)"
        )


def _lean(content: bytes, form: str, max_pixels: int) -> Lean:
    """The bytes that Pillow gets; raises FaultyPictureError where opening costs too much."""
    if form in _LEAN:
        return _LEAN[form](content)
    if form == JXL:
        check_pixels(jxl_size(content), max_pixels)
    return Lean(content)


@cache
def _can_read(form: str) -> bool:
    """Whether Pillow has a reader of this format; loads the one of an extra."""
    try:
        if form == HEIF:
            import pillow_heif

            pillow_heif.register_heif_opener()
        elif form == JXL:
            import pillow_jxl  # noqa: F401  (importing it registers it)
    except ImportError:
        return False
    return True
