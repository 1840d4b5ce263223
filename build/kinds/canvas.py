"""What all drawings share: a picture with its captions, named colors, and text on a picture."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageDraw

from unprompt.build.kinds.fonts import load_font

T = TypeVar("T")
Dice = np.random.Generator
Color = tuple[int, int, int]

COLORS: dict[str, Color] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "gray": (128, 128, 128),
    "red": (214, 40, 40),
    "orange": (240, 130, 30),
    "yellow": (250, 215, 50),
    "green": (50, 160, 70),
    "blue": (40, 100, 220),
    "navy blue": (20, 30, 90),
    "purple": (125, 60, 180),
    "pink": (245, 130, 180),
    "brown": (120, 75, 40),
    "beige": (235, 220, 190),
    "turquoise": (40, 180, 180),
}
VIVID = ("red", "orange", "green", "blue", "purple", "pink", "turquoise")


class Drawn(NamedTuple):
    """A picture, and captions of it: several wordings of the same truth."""

    picture: Image.Image
    captions: tuple[str, ...]


class Theme(NamedTuple):
    """The colors of a screen."""

    name: str  # light | dark
    paper: Color
    panel: Color
    line: Color
    ink: Color
    faint: Color
    accent: Color


def pick(dice: Dice, items: Sequence[T]) -> T:
    """One of `items`."""
    return items[int(dice.integers(len(items)))]


def between(dice: Dice, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(dice.integers(low, high + 1))


def choose_theme(dice: Dice, dark: float = 0.4) -> Theme:
    """A light theme, or a dark one with probability `dark`."""
    accent = COLORS[pick(dice, VIVID)]
    shift = between(dice, 0, 8)
    if dice.random() < dark:
        paper = (26 + shift, 27 + shift, 32 + shift)
        return Theme(
            "dark", paper, (44, 46, 54), (70, 72, 82), (228, 228, 232), (140, 142, 152), accent
        )
    paper = (255 - shift, 255 - shift, 255 - shift // 2)
    return Theme(
        "light", paper, (238, 239, 243), (205, 207, 214), (32, 33, 38), (125, 128, 138), accent
    )


def blank(size: tuple[int, int], color: Color) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A picture (width, height) of one color, and the pen to draw on it."""
    picture = Image.new("RGB", size, color)
    return picture, ImageDraw.Draw(picture)


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: Color,
    size: int = 12,
    style: str = "sans",
    anchor: str = "la",
) -> float:
    """Write one line of text; returns its width in pixels."""
    font = load_font(style, size)
    pen.text(place, text, fill=color, font=font, anchor=anchor)
    return font.getlength(text)


def wrap(text: str, width: float, size: int = 12, style: str = "sans") -> list[str]:
    """Break a text into lines of at most `width` pixels."""
    font = load_font(style, size)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write_block(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    text: str,
    color: Color,
    size: int = 12,
    style: str = "sans",
) -> float:
    """Write a text into a box (left, top, right, bottom); returns the bottom of its last line."""
    left, top, right, bottom = box
    for line in wrap(text, right - left, size, style):
        if top + 1.4 * size > bottom:
            break
        write(pen, (left, top), line, color, size, style)
        top += 1.4 * size
    return top


def blend(first: Color, second: Color, share: float) -> Color:
    """The color at `share` of the way from the first to the second."""
    mixed = [round(a + share * (b - a)) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def from_array(values: np.ndarray) -> Image.Image:
    """(h, w) or (h, w, 3) of floats from 0 to 1 -> a picture."""
    scaled = np.rint(255.0 * np.clip(values, 0.0, 1.0)).astype(np.uint8)
    return Image.fromarray(scaled).convert("RGB")


def smooth_noise(dice: Dice, size: tuple[int, int], cells: int, octaves: int = 4) -> np.ndarray:
    """Cloudy noise (height, width) from 0 to 1: octaves of interpolated random values."""
    width, height = size
    total = np.zeros((height, width))
    for octave in range(octaves):
        across = cells * 2**octave
        values = dice.random((max(2, across * height // width), across + 1)).astype(np.float32)
        layer = Image.fromarray(values, "F").resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 2**octave
    low, high = total.min(), total.max()
    return np.asarray((total - low) / max(1e-9, high - low))
