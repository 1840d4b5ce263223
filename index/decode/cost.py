"""An open picture -> the factor that it can be made smaller by, and the bytes of decoding it."""

from typing import Any

from PIL import Image

FACTORS = (1, 2, 4, 8)  # those that the decoders of JPEG and JPEG 2000 know
_RGB, _COEFFICIENT = 4, 2  # bytes of a pixel in Pillow; of one number of a progressive JPEG
_ONE_BYTE = ("1", "L", "P")
# Bytes a pixel, measured: what libwebp, libavif and the others hold beside the picture.
_BYTES = {"WEBP": 16, "AVIF": 12, "JPEG2000": 20, "HEIF": 8, "JXL": 8}
_BITS, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 258, 278, 322, 323  # tags of TIFF
_FEW_PIXELS = 1 << 20
_SCAN = b"\xff\xda"  # the marker of a scan of a JPEG
_J2K_CODING, _J2K_HEAD = b"\xff\x52", 1 << 16  # the marker of coding, and where it is looked for


def shrink_factor(size: tuple[int, int], keep_pixels: int | None) -> int:
    """The smallest of FACTORS that leaves at most `keep_pixels`, or else the largest."""
    if keep_pixels is None:
        return 1
    return next((f for f in FACTORS if size[0] * size[1] <= keep_pixels * f * f), FACTORS[-1])


def shrink_in_decoder(image: Image.Image, factor: int) -> int:
    """Let the decoder make the picture smaller, at most by `factor`; the factor that it uses."""
    if factor > 1 and image.format == "JPEG2000":
        factor = _halvings(image, factor)
        image.reduce = factor.bit_length() - 1  # type: ignore[method-assign, assignment]
        return factor
    if factor > 1 and image.format in ("JPEG", "MPO"):
        longest = max(image.size)
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
        return round(longest / max(image.size))
    return 1


def _halvings(image: Any, factor: int) -> int:
    """The factor, up to `factor`, that a JPEG 2000 can be made smaller by while it is decoded."""
    head = bytes(image.fp.getbuffer()[:_J2K_HEAD])
    place = head.find(_J2K_CODING)
    levels = min(head[place + 9], 32) if 0 <= place < len(head) - 9 else 0
    factor = min(factor, 1 << levels)
    # Pillow rounds a size where the decoder rounds it up, and fails where the two differ.
    same = all(side % factor == 0 or side % factor >= factor / 2 for side in image.size)
    return factor if same else 1


def decode_cost(image: Image.Image, factor: int) -> int:
    """Bytes at the peak of decoding an image that `open_header` returned, its RGB result too."""
    pixels = image.width * image.height
    result = _RGB * (pixels // factor**2 + _FEW_PIXELS)
    if image.format == "JPEG2000":
        factor = _halvings(image, factor)
        return result + _BYTES["JPEG2000"] * pixels // factor**2 + 2 * pixels
    if image.format in ("JPEG", "MPO"):
        return result + _coefficients(image)
    return result + _BYTES.get(str(image.format), _own_bytes(image)) * pixels + _strip(image)


def _own_bytes(image: Image.Image) -> int:
    if image.mode in _ONE_BYTE:
        return 1
    return 2 if image.mode.startswith("I;16") else _RGB


def _coefficients(image: Any) -> int:
    """A JPEG of several scans holds all numbers of all its parts until the last one."""
    if not image.info.get("progressive") and image.fp.getvalue().count(_SCAN) < 2:
        return 0
    parts = [(across, down) for _, across, down, _ in image.layer]
    widest, tallest = max(part[0] for part in parts), max(part[1] for part in parts)
    share = sum(across * down for across, down in parts) / (widest * tallest)
    return int(_COEFFICIENT * share * image.width * image.height)


def _strip(image: Any) -> int:
    """A TIFF is unpacked by strips or tiles, and one of them may be the whole picture."""
    if image.format != "TIFF":
        return 0
    bits = image.tag_v2.get(_BITS, (8,))
    samples = sum(bits) if isinstance(bits, tuple) else 8
    rows = _number(image, _ROWS_PER_STRIP, image.height)
    width = _number(image, _TILE_WIDTH, image.width)
    height = _number(image, _TILE_HEIGHT, min(rows, image.height))
    return 2 * len(image.fp.getbuffer()) + width * height * max(samples // 8, 1)


def _number(image: Any, tag: int, default: int) -> int:
    value = image.tag_v2.get(tag)
    return value if isinstance(value, int) else default
