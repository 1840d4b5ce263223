"""Decoding and encoding of one picture: file or bytes -> RGB image, (h, w, 3) uint8 -> bytes."""

import io
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import ExifTags, Image, ImageOps

from unprompt.index.base.errors import ConfigError, UnreadableImageError

MAX_PIXELS = 64_000_000
MAX_BYTES = 256 * 2**20
PICTURE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif",
)  # fmt: skip
# Not EPS, which starts another program, and not TGA, for which any bytes pass.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000")
# Three times as fast as Pillow's default; files of 512 px renders grow by 4%.
LOSSLESS_OPTIONS = {"quality": 0, "method": 1}

PictureFormat = Literal["png", "webp", "jpg"]
PictureQuality = int | Literal["lossless"]  # 1 to 100; lossless is for webp


@dataclass(frozen=True)
class PictureLimits:
    """The largest picture that is opened: pixels by its header, bytes of its file."""

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or self.max_bytes < 1:
            raise ConfigError(f"picture limits must be at least 1, got {self}")


DEFAULT_LIMITS = PictureLimits()


def open_picture(
    source: Path | bytes | BinaryIO | Image.Image, name: str, limit: PictureLimits = DEFAULT_LIMITS
) -> Image.Image:
    """Decode the first frame: RGB, upright by its EXIF block, transparency on white.

    A Pillow image gives a new image of its current frame. Text chunks stay in `.info`. `name` is
    for errors. Raises UnreadableImageError; for too many pixels it does so before it decodes.
    """
    content = b"" if isinstance(source, Image.Image) else read_picture(source, name, limit)
    try:
        if isinstance(source, Image.Image):
            return _decode(source, name, limit)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _decode(image, name, limit)
    except UnreadableImageError:
        raise
    except Image.UnidentifiedImageError as error:
        fault = f"its content is not a picture (it starts with {content[:16]!r})"
        raise _unreadable(name, fault, limit) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(name, f"it declares too many pixels ({error})", limit) from error
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
    return np.array(image if image.mode == "RGB" else _to_rgb(image), dtype=np.uint8)


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


def _decode(image: Image.Image, name: str, limit: PictureLimits) -> Image.Image:
    _check_size(image, name, limit)
    image.load()
    rgb = _to_rgb(image)
    _turn_upright(rgb, _orientation(image))
    rgb.info = {k: v for k, v in image.info.items() if isinstance(v, str)}
    return rgb


def _check_size(image: Image.Image, name: str, limit: PictureLimits) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise _unreadable(name, f"it declares {width}x{height} pixels", limit)
    if width * height > limit.max_pixels:
        megapixels = width * height / 1e6
        fault = f"it declares {width}x{height} pixels ({megapixels:g} megapixels)"
        raise _unreadable(name, fault, limit)


def _unreadable(name: str, fault: str, limit: PictureLimits) -> UnreadableImageError:
    return UnreadableImageError(
        f"cannot read the picture {name}: {fault}; wanted a whole PNG, JPEG, WebP, GIF, BMP, TIFF "
        f"or AVIF file of at most {limit.max_pixels / 1e6:g} megapixels"
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    """A new RGB image; transparency becomes white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scale_to_8_bits(image).convert("RGB")
    if image.mode == "La":  # Pillow converts it to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")
    return image.convert("RGB")


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits -> L: from the mode's range if it is known, or else stretched."""
    gray = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(gray.min()), float(gray.max())
    if image.mode == "F" and low >= 0 and high <= 255:
        top = 1.0 if high <= 1 else 255.0
    elif image.mode != "F" and low >= 0 and high <= 65535:
        top = 65535.0
    else:
        gray -= low
        top = (high - low) or 1.0
    scaled = np.rint(gray * (255.0 / top)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(transparent, int):
        scaled[np.asarray(image) == transparent] = 255
    return Image.fromarray(scaled)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block must not lose a picture whose pixels are whole
        return 1


def _turn_upright(image: Image.Image, orientation: int) -> None:
    """Turn the pixels in place; the orientation is the only EXIF tag that `image` gets.

    With the file's own EXIF block, Pillow would also write that block again, which fails for some.
    """
    image.info = {}
    image.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(image, in_place=True)
