"""Settings on open land: (size, generator) -> Backdrop."""

import numpy as np

from unprompt.build.scenes.settings.backdrop import (
    Backdrop,
    Canvas,
    Colour,
    mix,
    smooth_noise,
    texture_rows,
)
from unprompt.build.scenes.settings.woods import draw_pine


def paint_desert(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (120, 180, 225))
    canvas.fade(0, 0.6, ((84, 160, 220), (190, 216, 222), (250, 226, 176)))
    canvas.ellipse(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.25), 0.13, 0.13, (255, 246, 206))
    for height, shade in (
        (0.55, (226, 178, 116)),
        (0.63, (236, 186, 112)),
        (0.72, (244, 200, 124)),
    ):
        line = canvas.ridge(rng, height, 0.045, shade, bumps=2)
        steps = np.linspace(0, 1, 65)
        lee = line + 0.05 + 0.05 * np.sin(steps * 7 + rng.random() * 6)
        points = [*zip(steps, line, strict=True), *zip(steps[::-1], lee[::-1], strict=True)]
        canvas.polygon(points, mix(shade, (150, 92, 50), 0.32))
    for ripple in np.linspace(0.8, 0.99, 8):
        line = ripple + 0.008 * np.sin(np.linspace(0, 22, 50) + rng.random() * 6)
        canvas.line(list(zip(np.linspace(0, 1, 50), line, strict=True)), 0.005, (222, 172, 100))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.6, rng.random((size_px, size_px), dtype=np.float32), 0.07)
    return Backdrop(rgb, shadow=0.6, ambient=(1.03, 1.0, 0.93))


def paint_snow(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (200, 220, 238))
    canvas.fade(0, 0.6, ((150, 184, 216), (222, 232, 242)))
    canvas.ridge(rng, 0.5, 0.05, (186, 204, 224))
    for x in rng.uniform(0, 1, 9):
        height = rng.uniform(0.2, 0.34)
        draw_pine(canvas, x, 0.6, height, (92, 124, 132))
        canvas.polygon(
            [
                (x - 0.035, 0.57 - height * 0.55),
                (x, 0.5 - height * 0.7),
                (x + 0.035, 0.57 - height * 0.55),
            ],
            (244, 250, 255),
        )
    canvas.ridge(rng, 0.62, 0.025, (226, 236, 248))
    canvas.ridge(rng, 0.74, 0.02, (240, 246, 254))
    flakes = Canvas(size_px)
    for x, y, wide in zip(
        rng.random(70), rng.random(70), rng.uniform(0.006, 0.02, 70), strict=True
    ):
        flakes.ellipse(x, y, wide, wide, (255, 255, 255, 225))
    return Backdrop(
        canvas.finish_rgb(), front=flakes.finish(), shadow=0.35, ambient=(0.97, 1.0, 1.05)
    )


def paint_meadow(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (120, 190, 240))
    canvas.fade(0, 0.6, ((78, 164, 236), (196, 228, 248)))
    for _ in range(4):
        draw_cloud(canvas, rng, rng.random(), rng.uniform(0.08, 0.32), rng.uniform(0.14, 0.24))
    canvas.ridge(rng, 0.54, 0.03, (136, 186, 128))
    canvas.ridge(rng, 0.6, 0.03, (112, 186, 84))
    canvas.ridge(rng, 0.68, 0.025, (98, 180, 66))
    canvas.fade(0.74, 1, ((98, 178, 66), (58, 134, 44)))
    petals = ((240, 90, 110), (255, 214, 70), (255, 255, 255), (176, 120, 220))
    for y in np.sort(rng.uniform(0.66, 1.02, 75)):
        x, wide = rng.random(), 0.012 + 0.05 * (y - 0.62)
        colour = petals[rng.integers(len(petals))]
        canvas.line([(x, y), (x, y + wide * 1.6)], 0.005, (50, 110, 40))
        canvas.ellipse(x, y, wide, wide * 0.8, colour)
        canvas.ellipse(x, y, wide * 0.35, wide * 0.3, (250, 190, 40))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.6, smooth_noise(rng, size_px, 40), 0.2)
    return Backdrop(rgb, ambient=(1.0, 1.01, 0.97))


def draw_cloud(
    canvas: Canvas,
    rng: np.random.Generator,
    x: float,
    y: float,
    wide: float,
    shades: tuple[Colour, Colour] = ((214, 226, 238), (255, 255, 255)),
) -> None:
    """A puffy cloud of two shades, the darker one below."""
    puffs = [
        (rng.uniform(-0.5, 0.5), rng.uniform(-0.14, 0.1), rng.uniform(0.4, 0.62)) for _ in range(6)
    ]
    for lower, shade in ((0.03, shades[0]), (0.0, shades[1])):
        for dx, dy, r in puffs:
            canvas.ellipse(x + dx * wide, y + (dy + lower) * wide, r * wide, r * wide * 0.72, shade)


def paint_mountains(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (150, 190, 230))
    canvas.fade(0, 0.6, ((98, 156, 216), (222, 232, 240)))
    for shade, count, low, high in (
        ((150, 168, 196), 5, 0.2, 0.34),
        ((98, 114, 146), 4, 0.3, 0.46),
    ):
        for x in (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count:
            _peak(canvas, rng, x, rng.uniform(low, high), rng.uniform(0.24, 0.36), shade)
    canvas.ridge(rng, 0.66, 0.03, (64, 100, 74))
    canvas.ridge(rng, 0.73, 0.02, (92, 138, 78))
    canvas.fade(0.79, 1, ((96, 142, 80), (70, 108, 58)))
    for _ in range(14):
        x, y, wide = rng.random(), rng.uniform(0.78, 1.0), rng.uniform(0.02, 0.06)
        canvas.ellipse(x, y, wide, wide * 0.6, (124, 128, 126))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.68, smooth_noise(rng, size_px, 36), 0.3)
    return Backdrop(rgb)


def _peak(
    canvas: Canvas, rng: np.random.Generator, x: float, top: float, half: float, shade: Colour
) -> None:
    lean = rng.uniform(-0.05, 0.05)
    canvas.polygon([(x - half, 0.72), (x, top), (x + half, 0.72)], shade)
    canvas.polygon([(x + lean, 0.72), (x, top), (x + half, 0.72)], mix(shade, (40, 50, 80), 0.3))
    cut = (0.72 - top) * 0.34
    slope = half * cut / (0.72 - top)
    teeth = [
        (x + slope * t, top + cut * (1.0 + 0.25 * (-1) ** i))
        for i, t in enumerate((0.7, 0.3, 0, -0.4))
    ]
    canvas.polygon(
        [(x, top), (x + slope, top + cut), *teeth, (x - slope, top + cut)], (246, 250, 255)
    )


def paint_road(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (150, 200, 235))
    canvas.fade(0, 0.56, ((96, 170, 230), (226, 236, 236)))
    for _ in range(3):
        draw_cloud(canvas, rng, rng.random(), rng.uniform(0.1, 0.3), 0.2)
    canvas.ridge(rng, 0.5, 0.03, (120, 156, 150))
    canvas.fade(0.55, 1, ((176, 182, 96), (120, 140, 60)))
    vanish = rng.uniform(0.4, 0.6)
    canvas.polygon(
        [(vanish - 0.02, 0.55), (vanish + 0.02, 0.55), (1.12, 1), (-0.12, 1)], (92, 94, 102)
    )
    for near, far in ((1.0, 0.86), (0.8, 0.71), (0.68, 0.63), (0.61, 0.585)):
        canvas.polygon(_dash(vanish, near, far), (246, 220, 110))
    for edge in (-0.08, 1.08):
        canvas.line([(vanish, 0.55), (edge, 1)], 0.009, (240, 240, 236))
    for depth in np.linspace(0.05, 1, 5) ** 2:
        for side in (-1, 1):
            x, y = vanish + side * (0.04 + 0.75 * depth), 0.56 + 0.3 * depth
            canvas.line([(x, y), (x, y - 0.05 - 0.3 * depth)], 0.004 + 0.012 * depth, (98, 78, 60))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.56, smooth_noise(rng, size_px, 50), 0.16)
    return Backdrop(rgb, shadow=0.6)


def _dash(vanish: float, near: float, far: float) -> list[tuple[float, float]]:
    def place(y: float, side: int) -> tuple[float, float]:
        share = (y - 0.55) / 0.45
        return vanish + (0.5 - vanish) * share + side * 0.018 * share, y

    return [place(near, -1), place(near, 1), place(far, 1), place(far, -1)]
