"""What is blank: one color with faint noise or a speck, and no picture that shows anything."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unprompt.index.images.blank import is_blank
from unprompt.index.images.pictures import open_picture

WHITE = (255, 255, 255)


def drawing(size: int = 512) -> Image.Image:
    """Thin lines on white: 0.4 % of its pixels are black."""
    image = Image.new("RGB", (size, size), WHITE)
    draw = ImageDraw.Draw(image)
    draw.ellipse([size * 0.2] * 2 + [size * 0.6] * 2, outline="black", width=1)
    draw.line([(0, size * 0.7), (size, size * 0.7)], fill="black", width=1)
    return image


def noise(spread: float, level: float = 128, size: int = 256) -> Image.Image:
    values = np.random.default_rng(0).normal(level, spread, (size, size, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def gradient(low: int, high: int, size: int = 256) -> Image.Image:
    row = np.linspace(low, high, size).astype(np.uint8)
    return Image.fromarray(np.repeat(np.tile(row, (size, 1))[..., None], 3, axis=2))


def speck(share: float, size: int = 400) -> Image.Image:
    image = Image.new("RGB", (size, size), (20, 90, 160))
    side = round(size * share**0.5)
    image.paste((255, 0, 0), (100, 100, 100 + side, 100 + side))
    return image


BLANK = {
    "white": Image.new("RGB", (512, 512), WHITE),
    "black": Image.new("RGB", (64, 2000)),
    "one pixel": Image.new("RGB", (1, 1), (3, 2, 1)),
    "a color with the noise of a camera": noise(3.0),
    "a gradient of a few levels": gradient(124, 130),
    "a speck": speck(0.002),
}
NOT_BLANK = {
    "thin lines on white": drawing(),
    "thin lines on a large sheet": drawing(1024),
    "noise": noise(40.0),
    "a gradient": gradient(0, 255),
    "a faint gradient": gradient(100, 130),
    "a small square": speck(0.02),
    "half and half": speck(0.5),
}


@pytest.mark.parametrize("what", BLANK)
def test_blank(what: str) -> None:
    assert is_blank(BLANK[what])


@pytest.mark.parametrize("what", NOT_BLANK)
def test_not_blank(what: str) -> None:
    assert not is_blank(NOT_BLANK[what])


def test_photographs_are_not_blank_even_very_dark_ones() -> None:
    import skimage

    data = Path(skimage.__file__).parent / "data"
    for name in ("chelsea.png", "hubble_deep_field.jpg", "horse.png", "text.png", "page.png"):
        assert not is_blank(open_picture(data / name, name)), name
    for name in ("chelsea.png", "hubble_deep_field.jpg", "coffee.png"):
        pixels = np.asarray(open_picture(data / name, name))
        assert not is_blank(Image.fromarray((pixels * 0.08).astype(np.uint8))), f"{name}, dark"
