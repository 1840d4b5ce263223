"""The canvas of the backdrop painters, in coordinates 0..1, and the Backdrop that they return."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, ...]
Point = tuple[float, float]
OVERSAMPLING = 2


@dataclass(frozen=True)
class Backdrop:
    """A painted setting: RGB uint8 (s, s, 3), a foreground layer, and its light.

    `shadow` is the opacity of shadows, 0 without a ground; `ambient` tints the objects.
    """

    rgb: np.ndarray
    front: Image.Image | None = None
    shadow: float = 0.5
    ambient: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Canvas:
    """Draws in coordinates 0..1, y downwards, at twice the size for smooth edges."""

    def __init__(self, size_px: int, fill: Colour | None = None) -> None:
        self.size_px = size_px
        self._side = size_px * OVERSAMPLING
        mode, ground = ("RGBA", (0, 0, 0, 0)) if fill is None else ("RGB", fill)
        self.image = Image.new(mode, (self._side, self._side), ground)
        self._draw = ImageDraw.Draw(self.image)

    def fade(self, top: float, bottom: float, stops: Sequence[Colour]) -> None:
        """A vertical gradient between two heights."""
        start, end = int(top * self._side), int(bottom * self._side)
        rows = np.linspace(0, 1, max(end - start, 1))
        knots = np.linspace(0, 1, len(stops))
        ramp = np.stack([np.interp(rows, knots, [c[i] for c in stops]) for i in range(3)], axis=1)
        column = Image.fromarray(ramp[:, None, :].astype(np.uint8))
        self.image.paste(column.resize((self._side, max(end - start, 1))), (0, start))

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([(x * self._side, y * self._side) for x, y in points], fill=fill)

    def ellipse(self, x: float, y: float, width: float, height: float, fill: Colour) -> None:
        box = [(x - width / 2) * self._side, (y - height / 2) * self._side]
        box += [(x + width / 2) * self._side, (y + height / 2) * self._side]
        self._draw.ellipse(box, fill=fill)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self._draw.rectangle([v * self._side for v in (left, top, right, bottom)], fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        scaled = [(x * self._side, y * self._side) for x, y in points]
        self._draw.line(scaled, fill=fill, width=max(1, round(width * self._side)), joint="curve")

    def ridge(
        self, rng: np.random.Generator, height: float, swing: float, fill: Colour, bumps: int = 5
    ) -> np.ndarray:
        """Fill below a wavy horizon; returns its heights at 65 steps."""
        steps = np.linspace(0, 1, 65)
        line = np.zeros(65)
        for wave in range(1, bumps + 1):
            turns = wave * rng.uniform(0.6, 1.2)
            line += np.sin(2 * np.pi * (steps * turns + rng.random())) * swing / wave
        line += height
        self.polygon([(0, 1), *zip(steps, line, strict=True), (1, 1)], fill)
        return line

    def soften(self, radius: float) -> None:
        blurred = self.image.reduce(4).filter(ImageFilter.BoxBlur(radius * self._side / 4))
        self.image = blurred.resize((self._side, self._side), Image.Resampling.BILINEAR)
        self._draw = ImageDraw.Draw(self.image)

    def finish(self) -> Image.Image:
        return self.image.reduce(OVERSAMPLING)

    def finish_rgb(self) -> np.ndarray:
        return np.array(self.finish().convert("RGB"))


def smooth_noise(rng: np.random.Generator, size_px: int, cells: int) -> np.ndarray:
    """Smooth noise, float32 (s, s) in 0..1, with about `cells` bumps per side."""
    grid = Image.fromarray((rng.random((cells, cells)) * 255).astype(np.uint8))
    smooth = grid.resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) / 255


def texture_rows(rgb: np.ndarray, top: float, noise: np.ndarray, strength: float) -> None:
    """Multiply the rows below `top` (0..1), the ground, by noise, in place."""
    start = int(top * rgb.shape[0])
    gain = 1 + (noise[start:, :, None] - 0.5) * strength
    rgb[start:] = np.clip(rgb[start:] * gain, 0, 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Interpolate: `share` 0 gives the first colour, 1 the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def vary(rng: np.random.Generator, colour: Colour, spread: int) -> Colour:
    """Change each channel at random by up to `spread`."""
    return tuple(int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in colour)
