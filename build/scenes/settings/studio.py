"""The plain backdrop of a prompt without a setting: (size, generator) -> Backdrop."""

import numpy as np

from unprompt.build.scenes.settings.backdrop import Backdrop, Canvas, Colour, mix

PALE: Colour = (246, 243, 236)


def paint_studio(size_px: int, rng: np.random.Generator) -> Backdrop:
    """One of four patterns in a random colour."""
    hue = rng.random()
    wheel = tuple(round(255 * (0.5 + 0.5 * np.cos(2 * np.pi * (hue + i / 3)))) for i in range(3))
    base = mix(PALE, wheel, float(rng.uniform(0.12, 0.5)))
    canvas = Canvas(size_px, base)
    layout = int(rng.integers(4))
    if layout == 0:
        _sweep(canvas, rng, base)
    elif layout == 1:
        _glow(canvas, rng, base)
    elif layout == 2:
        _dots_and_floor(canvas, rng, base)
    else:
        _rays(canvas, rng, base)
    return Backdrop(canvas.finish_rgb(), shadow=0.45)


def _sweep(canvas: Canvas, rng: np.random.Generator, base: Colour) -> None:
    horizon = rng.uniform(0.62, 0.74)
    canvas.fade(0, horizon, (mix(base, (255, 255, 255), 0.1), mix(base, (70, 70, 100), 0.2)))
    canvas.fade(horizon, 1, (mix(base, (70, 60, 60), 0.2), mix(base, (255, 255, 255), 0.28)))
    canvas.soften(0.012)


def _glow(canvas: Canvas, rng: np.random.Generator, base: Colour) -> None:
    x = rng.uniform(0.3, 0.7)
    canvas.fade(0, 1, (mix(base, (70, 70, 100), 0.3), mix(base, (80, 80, 100), 0.1)))
    for wide in (1.3, 1.1, 0.9, 0.7, 0.5):
        canvas.ellipse(x, 0.42, wide, wide, mix(base, (255, 255, 255), 0.5 - wide * 0.36))
    canvas.soften(0.07)


def _dots_and_floor(canvas: Canvas, rng: np.random.Generator, base: Colour) -> None:
    pitch, dot = rng.uniform(0.09, 0.15), mix(base, (255, 255, 255), 0.4)
    for row, y in enumerate(np.arange(0, 0.75, pitch)):
        for x in np.arange((row % 2) * pitch / 2, 1 + pitch, pitch):
            canvas.ellipse(x, y, pitch * 0.35, pitch * 0.35, dot)
    floor = mix(base, (60, 50, 50), 0.3)
    canvas.fade(rng.uniform(0.7, 0.76), 1, (floor, mix(floor, (255, 255, 255), 0.2)))


def _rays(canvas: Canvas, rng: np.random.Generator, base: Colour) -> None:
    x, y, count = rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.7), int(rng.integers(9, 16))
    shade, turn = mix(base, (255, 255, 255), 0.35), rng.random()
    for ray in range(count):
        first, second = (2 * np.pi * (ray + part) / count + turn for part in (0, 0.5))
        tips = [(x + 1.6 * np.cos(a), y + 1.6 * np.sin(a)) for a in (first, second)]
        canvas.polygon([(x, y), *tips], shade)
