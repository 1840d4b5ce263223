"""Settings among trees: (size, generator) -> Backdrop."""

import numpy as np

from unprompt.build.scenes.settings.backdrop import (
    Backdrop,
    Canvas,
    Colour,
    mix,
    smooth_noise,
    texture_rows,
    vary,
)


def paint_forest(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (206, 226, 190))
    canvas.fade(0, 0.7, ((226, 238, 196), (170, 204, 158)))
    for depth, (count, shade) in enumerate(
        ((13, (132, 172, 128)), (10, (74, 128, 84)), (6, (36, 84, 54)))
    ):
        foot = 0.6 + 0.05 * depth
        canvas.ridge(rng, foot, 0.012, mix(shade, (60, 110, 50), 0.4))
        for x in (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count:
            draw_pine(
                canvas, x, foot + 0.02, rng.uniform(0.34, 0.6) + 0.07 * depth, vary(rng, shade, 8)
            )
    canvas.fade(0.72, 1, ((78, 122, 52), (48, 84, 36)))
    for _ in range(40):
        draw_tuft(canvas, rng, rng.random(), rng.uniform(0.74, 1.0), (92, 142, 60))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.7, smooth_noise(rng, size_px, 24), 0.35)
    return Backdrop(rgb, ambient=(0.97, 1.0, 0.94))


def draw_pine(canvas: Canvas, x: float, foot: float, height: float, shade: Colour) -> None:
    half = height * 0.2
    canvas.rectangle(x - 0.01, foot - 0.1, x + 0.01, foot + 0.015, mix(shade, (70, 45, 25), 0.7))
    for tier in range(4):
        low = foot - 0.03 - height * 0.2 * tier
        wide = half * (1 - 0.2 * tier)
        tip = (x, low - height * 0.34)
        canvas.polygon([(x - wide, low), tip, (x + wide, low)], shade)
        canvas.polygon([(x, low), tip, (x + wide, low)], mix(shade, (0, 0, 0), 0.16))


def draw_tuft(canvas: Canvas, rng: np.random.Generator, x: float, y: float, colour: Colour) -> None:
    shade = vary(rng, colour, 16)
    for lean in (-0.012, 0.0, 0.012):
        tip = (x + lean, y - 0.035 * y)
        canvas.polygon([(x - 0.005, y), tip, (x + 0.005, y)], shade)


def paint_jungle(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (30, 70, 50))
    canvas.fade(0, 1, ((170, 214, 130), (92, 168, 104), (30, 84, 50), (40, 62, 30)))
    for _ in range(5):
        x = rng.random()
        canvas.line([(x, 0), (x + rng.uniform(-0.05, 0.05), 0.8)], 0.03, (62, 92, 56))
    for shade, reach in (((60, 138, 84), 0.5), ((30, 104, 62), 0.42), ((12, 70, 44), 0.32)):
        for _ in range(6):
            x, y = float(rng.choice((-0.05, 1.05))), rng.uniform(0.0, 0.85)
            draw_frond(canvas, rng, x, y, reach, vary(rng, shade, 12))
        for _ in range(4):
            draw_frond(canvas, rng, rng.random(), -0.06, reach * 0.8, vary(rng, shade, 12))
    canvas.ridge(rng, 0.8, 0.015, (52, 84, 36))
    for _ in range(30):
        draw_tuft(canvas, rng, rng.random(), rng.uniform(0.83, 1.0), (70, 140, 60))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.78, smooth_noise(rng, size_px, 30), 0.4)
    return Backdrop(rgb, ambient=(0.95, 1.0, 0.92))


def draw_frond(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, reach: float, shade: Colour
) -> None:
    toward = np.arctan2(0.45 - y, 0.5 - x) + rng.uniform(-0.5, 0.5)
    stem = [(x, y)]
    for step in range(1, 9):
        toward += 0.06 * np.sign(0.5 - x)
        before = stem[-1]
        here = (before[0] + np.cos(toward) * reach / 8, before[1] + np.sin(toward) * reach / 8)
        stem.append(here)
        span = reach * 0.32 * (1 - step / 10)
        for turn in (-1.1, 1.1):
            tip = (here[0] + np.cos(toward + turn) * span, here[1] + np.sin(toward + turn) * span)
            canvas.polygon([before, tip, here], shade)
    canvas.line(stem, 0.006, mix(shade, (200, 230, 120), 0.3))
