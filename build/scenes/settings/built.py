"""Indoor settings, cities, and the cave: (size, generator) -> Backdrop."""

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

SPINES = ((146, 44, 40), (36, 78, 112), (52, 104, 66), (176, 128, 50), (92, 54, 98), (60, 60, 66))


def paint_city(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (14, 16, 44))
    canvas.fade(0, 0.75, ((12, 14, 44), (48, 38, 100), (128, 66, 120)))
    canvas.ellipse(rng.uniform(0.1, 0.9), 0.12, 0.1, 0.1, (246, 240, 206))
    layers = (((50, 46, 98), 9, 0.2), ((30, 30, 70), 7, 0.32), ((16, 18, 44), 5, 0.44))
    for shade, count, top in layers:
        for x in (np.arange(count) + rng.uniform(0, 0.6, count)) / count:
            wide, high = rng.uniform(0.08, 0.17), top + rng.uniform(0, 0.2)
            canvas.rectangle(x - wide / 2, high, x + wide / 2, 0.8, vary(rng, shade, 6))
            _light_windows(canvas, rng, x - wide / 2, high, wide)
    canvas.fade(0.76, 1, ((44, 40, 70), (22, 22, 40)))
    for _ in range(16):
        x, y = rng.random(), rng.uniform(0.78, 0.98)
        glow = ((255, 190, 80), (255, 90, 120), (90, 200, 255))[rng.integers(3)]
        canvas.ellipse(x, y, 0.03, 0.1, mix(glow, (34, 32, 58), 0.62))
    canvas.rectangle(0, 0.755, 1, 0.77, (96, 90, 120))
    return Backdrop(canvas.finish_rgb(), shadow=0.45, ambient=(0.9, 0.9, 1.06))


def _light_windows(
    canvas: Canvas, rng: np.random.Generator, left: float, top: float, wide: float
) -> None:
    for x in np.arange(left + 0.014, left + wide - 0.02, 0.026):
        for y in np.arange(top + 0.02, 0.72, 0.04):
            if rng.random() < 0.42:
                canvas.rectangle(x, y, x + 0.012, y + 0.02, (255, 214, 110))


def paint_rain(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (130, 140, 152))
    canvas.fade(0, 0.66, ((92, 104, 122), (166, 176, 186)))
    for shade, count in (((128, 138, 152), 6), ((92, 102, 118), 4)):
        for x in (np.arange(count) + rng.uniform(0, 0.7, count)) / count:
            wide, top = rng.uniform(0.12, 0.2), rng.uniform(0.16, 0.42)
            canvas.rectangle(x - wide / 2, top, x + wide / 2, 0.68, vary(rng, shade, 6))
    canvas.soften(0.006)
    canvas.fade(0.67, 1, ((116, 124, 138), (66, 74, 90)))
    for x, y in zip(rng.random(14), rng.uniform(0.72, 0.99, 14), strict=True):
        wide = rng.uniform(0.06, 0.22)
        canvas.ellipse(x, y, wide, wide * 0.22, (152, 164, 180))
        canvas.ellipse(x, y + 0.004, wide * 0.8, wide * 0.14, (104, 114, 132))
    drops = Canvas(size_px)
    for x, y in zip(rng.uniform(0, 1.2, 110), rng.uniform(-0.1, 1, 110), strict=True):
        long = rng.uniform(0.05, 0.1)
        drops.line([(x, y), (x - long * 0.3, y + long)], 0.004, (226, 236, 250, 150))
    return Backdrop(
        canvas.finish_rgb(), front=drops.finish(), shadow=0.35, ambient=(0.92, 0.95, 1.02)
    )


def paint_stage(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (60, 8, 14))
    folds = 15 + int(rng.integers(0, 6))
    for fold in range(folds):
        left, right = fold / folds, (fold + 1) / folds
        for share in np.linspace(0, 1, 6)[:-1]:
            shade = mix((84, 8, 18), (186, 26, 38), float(np.sin(np.pi * (share + 0.1))))
            start = left + share * (right - left)
            canvas.rectangle(start, 0, start + (right - left) / 5, 0.72, shade)
    for scallop in np.linspace(0, 1, 6):
        canvas.ellipse(scallop, 0.0, 0.24, 0.24, (150, 16, 28))
        canvas.ellipse(scallop, -0.02, 0.24, 0.24, (112, 10, 22))
    canvas.fade(0.7, 1, ((120, 74, 38), (176, 116, 60)))
    for x in np.linspace(-1.2, 2.2, 18):
        canvas.line([(0.5 + (x - 0.5) * 0.55, 0.7), (x, 1)], 0.004, (92, 54, 28))
    x = rng.uniform(0.4, 0.6)
    canvas.ellipse(x, 0.88, 0.86, 0.2, (240, 200, 130))
    canvas.ellipse(x, 0.88, 0.7, 0.15, (252, 224, 164))
    beam = Canvas(size_px)
    beam.polygon(
        [(x - 0.04, 0), (x + 0.04, 0), (x + 0.43, 0.88), (x - 0.43, 0.88)], (255, 240, 190, 46)
    )
    rgb = canvas.finish()
    cone = beam.finish()
    rgb.paste(cone, (0, 0), cone)
    return Backdrop(np.array(rgb), shadow=0.6, ambient=(1.05, 1.0, 0.92))


def paint_table(size_px: int, rng: np.random.Generator) -> Backdrop:
    wall = vary(rng, (150, 166, 150), 30)
    canvas = Canvas(size_px, wall)
    canvas.fade(0, 0.58, (mix(wall, (255, 255, 255), 0.25), mix(wall, (60, 60, 60), 0.25)))
    left = rng.uniform(0.08, 0.6)
    canvas.rectangle(left, 0.06, left + 0.34, 0.42, (246, 240, 220))
    canvas.rectangle(left + 0.02, 0.08, left + 0.32, 0.4, (190, 222, 240))
    canvas.rectangle(left + 0.16, 0.06, left + 0.18, 0.42, (246, 240, 220))
    canvas.soften(0.012)
    wood = vary(rng, (158, 98, 52), 14)
    canvas.fade(0.56, 1, (mix(wood, (40, 20, 10), 0.25), mix(wood, (255, 210, 150), 0.2)))
    spread = np.linspace(-1.4, 2.4, 11)
    for near, following in zip(spread[:-1], spread[1:], strict=True):
        top = [0.5 + (x - 0.5) * 0.5 for x in (near, following)]
        points = [(top[0], 0.56), (top[1], 0.56), (following, 1), (near, 1)]
        canvas.polygon(points, vary(rng, wood, 14))
        for share in rng.uniform(0.1, 0.9, 4):
            start = top[0] + share * (top[1] - top[0])
            end = near + share * (following - near)
            canvas.line([(start, 0.56), (end, 1)], 0.003, mix(wood, (60, 30, 10), 0.45))
        canvas.line([(top[0], 0.56), (near, 1)], 0.006, mix(wood, (30, 14, 6), 0.7))
    canvas.rectangle(0, 0.55, 1, 0.57, mix(wood, (255, 220, 170), 0.35))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.56, smooth_noise(rng, size_px, 20), 0.18)
    return Backdrop(rgb, shadow=0.65, ambient=(1.03, 1.0, 0.96))


def paint_kitchen(size_px: int, rng: np.random.Generator) -> Backdrop:
    tile = ((222, 236, 232), (236, 226, 206), (206, 226, 236))[rng.integers(3)]
    canvas = Canvas(size_px, mix(tile, (120, 120, 120), 0.3))
    for row, y in enumerate(np.arange(0, 0.62, 0.1)):
        for x in np.arange(-0.1 * (row % 2), 1, 0.2):
            canvas.rectangle(x + 0.005, y + 0.005, x + 0.195, y + 0.095, vary(rng, tile, 8))
    canvas.rectangle(0, 0.1, 1, 0.13, (132, 88, 54))
    pots = ((214, 84, 60), (240, 190, 80), (80, 140, 150), (250, 250, 244))
    for x in np.arange(0.06, 1, 0.13):
        wide, tall = rng.uniform(0.05, 0.09), rng.uniform(0.05, 0.09)
        canvas.rectangle(x, 0.1 - tall, x + wide, 0.1, pots[rng.integers(len(pots))])
    canvas.soften(0.004)
    canvas.fade(0.62, 0.92, ((214, 206, 196), (244, 238, 230)))
    canvas.rectangle(0, 0.62, 1, 0.632, (250, 248, 244))
    canvas.fade(0.93, 1, ((110, 134, 140), (90, 112, 118)))
    canvas.rectangle(0, 0.92, 1, 0.935, (160, 150, 140))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.62, smooth_noise(rng, size_px, 70), 0.1)
    return Backdrop(rgb, shadow=0.5)


def paint_library(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (46, 28, 18))
    for shelf in (0.0, 0.18, 0.36, 0.54):
        x = 0.01
        while x < 0.99:
            wide, tall = rng.uniform(0.018, 0.045), rng.uniform(0.1, 0.145)
            spine = vary(rng, SPINES[rng.integers(len(SPINES))], 14)
            canvas.rectangle(x, shelf + 0.15 - tall, x + wide, shelf + 0.15, spine)
            band = shelf + 0.15 - tall * 0.75
            canvas.rectangle(x, band, x + wide, band + 0.008, mix(spine, (240, 210, 130), 0.6))
            x += wide + 0.004
        canvas.rectangle(0, shelf + 0.15, 1, shelf + 0.175, (112, 70, 38))
    for x in (rng.uniform(0.0, 0.15), rng.uniform(0.8, 0.95)):
        canvas.rectangle(x, 0, x + 0.035, 0.73, (98, 60, 32))
    canvas.fade(0.72, 1, ((96, 56, 34), (146, 92, 56)))
    for x in np.linspace(-1.2, 2.2, 16):
        canvas.line([(0.5 + (x - 0.5) * 0.55, 0.72), (x, 1)], 0.004, (72, 40, 24))
    canvas.ellipse(0.5, 0.9, 0.95, 0.16, (140, 44, 48))
    canvas.ellipse(0.5, 0.9, 0.85, 0.13, (164, 60, 58))
    rgb = canvas.finish_rgb()
    rgb[: int(0.72 * size_px)] = rgb[: int(0.72 * size_px)] * 0.86
    return Backdrop(rgb, shadow=0.5, ambient=(1.05, 0.99, 0.9))


def paint_cave(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (30, 26, 40))
    glow: Colour = ((90, 210, 220), (190, 120, 240), (250, 170, 90))[rng.integers(3)]
    dark: Colour = (34, 28, 42)
    x = rng.uniform(0.4, 0.6)
    for share, wide in ((0.15, 1.1), (0.3, 0.9), (0.5, 0.7), (0.72, 0.5)):
        canvas.ellipse(x, 0.5, wide, wide * 0.9, mix(dark, glow, share))
    canvas.soften(0.03)
    for side in (0, 1):
        edge = [(side, 0)]
        for y in np.linspace(0, 0.9, 9):
            reach = 0.12 + 0.3 * (2 * y - 0.9) ** 2 + rng.uniform(-0.04, 0.04)
            edge.append((side + (reach if side == 0 else -reach), y))
        canvas.polygon([*edge, (side, 0.9)], (52, 44, 60))
    for spike in rng.uniform(0, 1, 12):
        wide, long = rng.uniform(0.03, 0.07), rng.uniform(0.08, 0.28)
        canvas.polygon([(spike - wide, 0), (spike, long), (spike + wide, 0)], (58, 48, 64))
        canvas.polygon([(spike, 0), (spike, long), (spike + wide, 0)], (42, 35, 50))
    canvas.ridge(rng, 0.76, 0.02, (72, 62, 78))
    canvas.fade(0.82, 1, ((78, 68, 84), (46, 40, 54)))
    for _ in range(9):
        foot = float(rng.choice((rng.uniform(0, 0.28), rng.uniform(0.72, 1))))
        long, lean, y = rng.uniform(0.08, 0.24), rng.uniform(-0.06, 0.06), rng.uniform(0.76, 0.9)
        points = [(foot - 0.025, y), (foot + lean, y - long), (foot + 0.025, y)]
        canvas.polygon(points, mix(glow, (255, 255, 255), 0.25))
        canvas.polygon([(foot, y), points[1], points[2]], mix(glow, (20, 20, 60), 0.3))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.0, smooth_noise(rng, size_px, 30), 0.25)
    return Backdrop(rgb, shadow=0.5, ambient=(0.96, 0.94, 1.02))
