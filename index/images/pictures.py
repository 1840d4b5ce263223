"""Decoding and encoding of one picture: file or bytes -> RGB image, (h, w, 3) uint8 -> bytes."""

import io
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import ExifTags, Image

from unprompt.index.base.errors import ConfigError, UnreadableImageError
from unprompt.index.decode.budget import DECODED
from unprompt.index.decode.convert import to_rgb
from unprompt.index.decode.cost import decode_cost, shrink_factor, shrink_in_decoder
from unprompt.index.decode.faults import FaultyPictureError
from unprompt.index.decode.open_file import check_pixels, open_file

MAX_PIXELS = 64_000_000
MAX_BYTES = 256 * 2**20
KEEP_PIXELS = 1 << 22  # 2048 x 2048; towers look at a twentieth of them
PICTURE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif",
    ".jxl",
)  # fmt: skip
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by the numbers of EXIF
# Three times as fast as Pillow's default; files of 512 px renders grow by 4%.
LOSSLESS_OPTIONS = {"quality": 0, "method": 1}

PictureFormat = Literal["png", "webp", "jpg"]
PictureQuality = int | Literal["lossless"]  # 1 to 100; lossless is for webp


@dataclass(frozen=True)
class PictureLimits:
    """The largest picture that is opened: pixels by its header, bytes of its file.

    A picture of more than `keep_pixels` is made smaller by 2, 4 or 8 while it is decoded.
    """

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    keep_pixels: int | None = KEEP_PIXELS  # None: every picture keeps its size

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or self.max_bytes < 1 or (self.keep_pixels or 1) < 1:
            raise ConfigError(f"picture limits must be at least 1, got {self}")


DEFAULT_LIMITS = PictureLimits()
FULL_SIZE = PictureLimits(keep_pixels=None)


def open_picture(
    source: Path | bytes | BinaryIO | Image.Image, name: str, limit: PictureLimits = DEFAULT_LIMITS
) -> Image.Image:
    """Decode the first frame: RGB, upright by its EXIF block, transparency on white.

    A picture of more than `limit.keep_pixels` comes out smaller by 2, 4 or 8. A Pillow image gives
    a new image of its current frame. `name` is for errors. Raises UnreadableImageError; for too
    many pixels, or more than the budget to decode, it does so before it decodes. Any thread may
    call this function; it waits while others use up the budget of the process.
    """
    content = b"" if isinstance(source, Image.Image) else read_picture(source, name, limit)
    try:
        if isinstance(source, Image.Image):
            return _convert(source, limit)
        with open_file(content, limit.max_pixels) as (image, turned):
            return _decode_file(image, turned, limit)
    except FaultyPictureError as error:
        raise _unreadable(name, str(error), limit) from error
    except MemoryError as error:
        raise _unreadable(name, "there is not enough memory for it", limit) from error
    except Exception as error:  # decoders raise nearly every built-in error on damaged bytes
        fault = f"it is damaged or cut short ({type(error).__name__}: {error})"
        raise _unreadable(name, fault, limit) from error


def read_picture(
    source: Path | bytes | BinaryIO, name: str, limit: PictureLimits = DEFAULT_LIMITS
) -> bytes:
    """The bytes of a picture file, not yet decoded.

    Raises UnreadableImageError where nothing can be read, or more than the limit allows.
    """
    try:
        if isinstance(source, bytes):
            content = source
        elif isinstance(source, Path):
            mode = source.stat().st_mode
            if stat.S_ISDIR(mode):
                raise _unreadable(name, "it is a folder", limit)
            if not stat.S_ISREG(mode):
                raise _unreadable(name, "it is a pipe or a device, not a file", limit)
            with source.open("rb") as handle:
                content = handle.read(limit.max_bytes + 1)
        else:
            content = source.read(limit.max_bytes + 1)
    except OSError as error:
        fault = f"it cannot be opened ({error.strerror or error})"
        raise _unreadable(name, fault, limit) from error
    if len(content) > limit.max_bytes:
        raise _unreadable(name, f"it is larger than {limit.max_bytes / 2**20:g} MiB", limit)
    if not content:
        raise _unreadable(name, "the file is empty", limit)
    return content


def to_array(image: Image.Image) -> np.ndarray:
    """An image -> (h, w, 3) uint8, transparency on white; EXIF is not applied."""
    return np.array(image if image.mode == "RGB" else to_rgb(image), dtype=np.uint8)


def encode_picture(array: np.ndarray, format: PictureFormat, quality: PictureQuality = 95) -> bytes:
    """Encode (h, w, 3) uint8. The same array gives the same bytes; PNG ignores `quality`."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ConfigError(
            f"a picture to encode must be uint8 of shape (h, w, 3), got {array.dtype} {array.shape}"
        )
    check_quality(format, quality)
    image, buffer = Image.fromarray(array), io.BytesIO()
    try:
        if format == "png":
            image.save(buffer, "PNG", compress_level=6)
        elif quality == "lossless":
            image.save(buffer, "WEBP", lossless=True, **LOSSLESS_OPTIONS)
        elif format == "webp":
            image.save(buffer, "WEBP", quality=quality, method=4)
        elif format == "jpg":
            image.save(buffer, "JPEG", quality=quality, subsampling=0)
        else:
            raise ConfigError(f"picture format must be png, webp or jpg, got {format!r}")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"a picture of shape {array.shape} cannot be stored as {format} ({error}); choose png"
        ) from error
    return buffer.getvalue()


def check_quality(format: PictureFormat, quality: PictureQuality) -> None:
    """Raise ConfigError for a quality that the format does not have."""
    if quality == "lossless":
        if format != "webp":
            raise ConfigError(
                f"picture quality lossless is for webp, got {format}; png is always lossless"
            )
    elif not 1 <= quality <= 100:
        raise ConfigError(f"picture quality must be from 1 to 100, got {quality}")


def _decode_file(image: Image.Image, turned: int, limit: PictureLimits) -> Image.Image:
    factor = shrink_factor(image.size, limit.keep_pixels)
    cost = decode_cost(image, factor)
    if cost > DECODED.total:
        raise FaultyPictureError(
            f"decoding it takes {cost / 1e6:.0f} MB of memory, and the limit is "
            f"{DECODED.total / 1e6:.0f} MB"
        )
    with DECODED.hold(cost):
        left = max(1, factor // shrink_in_decoder(image, factor))
        image.load()
        return _finish(image, left, turned)


def _convert(image: Image.Image, limit: PictureLimits) -> Image.Image:
    """An image that a caller opened; it stays as it is."""
    check_pixels(image.size, limit.max_pixels)
    image.load()
    return _finish(image, shrink_factor(image.size, limit.keep_pixels), _orientation(image))


def _finish(image: Image.Image, factor: int, turned: int) -> Image.Image:
    rgb = to_rgb(image, factor)
    method = TURNS.get(turned)
    if method is not None:
        rgb = rgb.transpose(method)
    elif rgb is image:
        rgb = rgb.copy()
    rgb.info = {}  # an EXIF block would turn it once more
    return rgb


def _unreadable(name: str, fault: str, limit: PictureLimits) -> UnreadableImageError:
    return UnreadableImageError(
        f"cannot read the picture {name}: {fault}; wanted a whole PNG, JPEG, WebP, GIF, BMP, TIFF, "
        f"AVIF, HEIC or JPEG XL file of at most {limit.max_pixels / 1e6:g} megapixels"
    )


def _orientation(image: Image.Image) -> int:
    """How an image that a caller opened is turned."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block must not lose a picture whose pixels are whole
        return 1
