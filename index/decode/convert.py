"""A loaded picture of any mode -> RGB, made smaller by a whole factor, strip by strip.

Transparency becomes white, and more than 8 bits become 8. A strip is a few rows, so the copies that
Pillow makes on the way are small.
"""

import numpy as np
from PIL import Image

STRIP_PIXELS = 1 << 20


def to_rgb(image: Image.Image, factor: int = 1) -> Image.Image:
    """A loaded image (w, h) -> a new RGB image (ceil(w / factor), ceil(h / factor)).

    An RGB image that keeps its size is returned as it is.
    """
    if factor == 1 and image.mode == "RGB" and "transparency" not in image.info:
        return image
    gray = _gray_range(image) if _is_deep(image) else None
    rows = _strip_rows(image.width, factor)
    if rows >= image.height:
        return _reduced(_strip_to_rgb(image, gray), factor)
    found = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        found.paste(_reduced(_strip_to_rgb(strip, gray), factor), (0, top // factor))
    return found


def _strip_rows(width: int, factor: int) -> int:
    """Rows of a strip: a multiple of `factor`."""
    return max(1, STRIP_PIXELS // width // factor) * factor


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    return image if factor == 1 else image.reduce(factor)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _strip_to_rgb(image: Image.Image, gray: tuple[float, float] | None) -> Image.Image:
    if gray is not None:
        return _scale_to_8_bits(image, *gray).convert("RGB")
    if image.mode == "La":  # Pillow converts it to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        return canvas.convert("RGB")
    return image.convert("RGB")


def _gray_range(image: Image.Image) -> tuple[float, float]:
    """The values of a gray image of more than 8 bits that become black and white.

    They are the range of the mode where the values fit in it, and else the darkest and lightest.
    """
    lows, highs = [], []
    for top in range(0, image.height, rows := _strip_rows(image.width, 1)):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        values = _gray_values(strip)
        lows.append(float(values.min()))
        highs.append(float(values.max()))
    low, high = min(lows), max(highs)
    if image.mode == "F" and low >= 0 and high <= 255:
        return 0.0, 1.0 if high <= 1 else 255.0
    if image.mode != "F" and low >= 0 and high <= 65535:
        return 0.0, 65535.0
    return low, high


def _gray_values(image: Image.Image) -> np.ndarray:
    """(h, w) float32, finite."""
    return np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)


def _scale_to_8_bits(image: Image.Image, low: float, high: float) -> Image.Image:
    width = (high - low) or 1.0
    values = (_gray_values(image).astype(np.float64) - low) * (255.0 / width)
    scaled = np.rint(np.clip(values, 0.0, 255.0)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(transparent, int):
        scaled[np.asarray(image) == transparent] = 255
    return Image.fromarray(scaled)
