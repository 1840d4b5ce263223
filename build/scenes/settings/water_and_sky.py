"""Settings of water, sky and space: (size, generator) -> Backdrop."""

import numpy as np
from PIL import Image

from unprompt.build.scenes.settings.backdrop import (
    Backdrop,
    Canvas,
    mix,
    smooth_noise,
    texture_rows,
    vary,
)
from unprompt.build.scenes.settings.land import draw_cloud


def paint_undersea(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (10, 60, 110))
    canvas.fade(0, 1, ((96, 208, 220), (28, 134, 184), (10, 74, 128), (8, 50, 92)))
    canvas.ridge(rng, 0.72, 0.05, (14, 76, 112))
    canvas.ridge(rng, 0.84, 0.02, (196, 178, 124))
    for _ in range(7):
        x, tall = rng.choice((rng.uniform(0, 0.25), rng.uniform(0.75, 1))), rng.uniform(0.2, 0.5)
        sway = rng.uniform(0, 6)
        strand = [(x + 0.02 * np.sin(sway + t * 9), 0.92 - tall * t) for t in np.linspace(0, 1, 12)]
        canvas.line(strand, 0.022, vary(rng, (30, 120, 74), 20))
    for _ in range(9):
        x, wide = rng.random(), rng.uniform(0.03, 0.08)
        shade = ((226, 96, 110), (240, 150, 80), (150, 90, 170))[rng.integers(3)]
        for branch in (-0.6, 0, 0.6):
            tip = (x + branch * wide, 0.86 - wide * 1.4)
            canvas.line([(x, 0.9), tip], wide * 0.34, shade)
            canvas.ellipse(*tip, wide * 0.4, wide * 0.4, shade)
    rays = Canvas(size_px)
    for x in rng.uniform(-0.2, 1.0, 5):
        points = [(x, 0), (x + 0.1, 0), (x + 0.34, 0.9), (x + 0.14, 0.9)]
        rays.polygon(points, (200, 250, 255, 34))
    for x, y, r in zip(rng.random(24), rng.random(24), rng.uniform(0.01, 0.035, 24), strict=True):
        rays.ellipse(x, y, r, r, (226, 250, 255, 150))
        rays.ellipse(x, y, r * 0.7, r * 0.7, (120, 206, 226, 150))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.0, smooth_noise(rng, size_px, 7), 0.22)
    return Backdrop(rgb, front=rays.finish(), shadow=0.18, ambient=(0.86, 1.0, 1.06))


def paint_beach(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (120, 200, 240))
    canvas.fade(0, 0.46, ((60, 160, 232), (196, 232, 246)))
    for _ in range(3):
        draw_cloud(canvas, rng, rng.random(), rng.uniform(0.08, 0.26), 0.2)
    canvas.fade(0.44, 0.66, ((20, 110, 180), (30, 164, 196), (110, 214, 208)))
    for y in np.linspace(0.47, 0.62, 6):
        x = rng.random()
        canvas.line([(x, y), (x + 0.18, y)], 0.004, (190, 236, 240))
    for foam, shade in ((0.64, (246, 252, 252)), (0.665, (214, 190, 140)), (0.7, (242, 218, 164))):
        canvas.ridge(rng, foam, 0.012, shade, bumps=4)
    for x, y in zip(rng.random(24), rng.uniform(0.74, 1, 24), strict=True):
        canvas.ellipse(x, y, 0.012, 0.007, vary(rng, (206, 176, 128), 22))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.7, rng.random((size_px, size_px), dtype=np.float32), 0.1)
    return Backdrop(rgb, shadow=0.55, ambient=(1.02, 1.0, 0.97))


def paint_sunset(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (240, 140, 80))
    canvas.fade(0, 0.6, ((62, 38, 104), (178, 62, 118), (246, 116, 74), (255, 208, 96)))
    x = rng.uniform(0.25, 0.75)
    for wide, shade in ((0.62, (252, 150, 84)), (0.48, (254, 182, 92)), (0.34, (255, 240, 176))):
        canvas.ellipse(x, 0.54, wide, wide, shade)
    for _ in range(6):
        y, left = rng.uniform(0.1, 0.45), rng.uniform(-0.1, 0.8)
        canvas.ellipse(left + 0.2, y, rng.uniform(0.3, 0.6), 0.02, (150, 56, 104))
    canvas.fade(0.6, 0.8, ((240, 132, 84), (120, 48, 96)))
    for y in np.linspace(0.61, 0.78, 9):
        wide = rng.uniform(0.08, 0.26)
        canvas.line([(x - wide / 2, y), (x + wide / 2, y)], 0.008, (255, 222, 130))
    for side in (-0.1, 1.1):
        points = [(side, 0.62), (side, 0.4), (0.5 + (side - 0.5) * rng.uniform(0.2, 0.5), 0.62)]
        canvas.polygon(points, (74, 30, 76))
    canvas.ridge(rng, 0.78, 0.015, (70, 34, 60))
    canvas.fade(0.83, 1, ((76, 38, 62), (40, 20, 44)))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.78, smooth_noise(rng, size_px, 40), 0.4)
    return Backdrop(rgb, shadow=0.5, ambient=(1.08, 0.93, 0.84))


def paint_clouds(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (90, 170, 240))
    canvas.fade(0, 1, ((38, 120, 220), (110, 190, 248), (214, 236, 252)))
    far, near = ((176, 206, 236), (224, 238, 250)), ((206, 222, 240), (255, 255, 255))
    for _ in range(6):
        draw_cloud(canvas, rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.12, 0.26), far)
    for row in (0.8, 0.93):
        for x in np.linspace(0, 1, 5):
            wide = rng.uniform(0.3, 0.4)
            draw_cloud(canvas, rng, x + rng.uniform(-0.1, 0.1), row, wide, near)
    front = Canvas(size_px)
    white = ((220, 232, 246, 235), (255, 255, 255, 240))
    for x in (0.05, 0.4, 0.7, 1.0):
        draw_cloud(front, rng, x + rng.uniform(-0.08, 0.08), 1.02, rng.uniform(0.22, 0.32), white)
    return Backdrop(canvas.finish_rgb(), front=front.finish(), shadow=0.0, ambient=(1, 1, 1.03))


def paint_space(size_px: int, rng: np.random.Generator) -> Backdrop:
    nebula = smooth_noise(rng, size_px, 4) * smooth_noise(rng, size_px, 7)
    veil = smooth_noise(rng, size_px, 5) * smooth_noise(rng, size_px, 9)
    hues = ((150, 40, 190), (40, 90, 220), (200, 60, 110), (30, 150, 170))
    first, second = rng.choice(len(hues), 2, replace=False)
    first_glow, second_glow = np.array((hues[first], hues[second]), dtype=np.float32)
    rgb = np.array((10, 8, 28), dtype=np.float32) + nebula[..., None] * (first_glow * 1.1)
    rgb += veil[..., None] * (second_glow * 0.8)
    count = size_px
    rows, columns = rng.integers(0, size_px, (2, count))
    rgb[rows, columns] += rng.uniform(90, 255, count)[:, None]
    canvas = Canvas(size_px)
    for x, y in zip(rng.random(12), rng.random(12), strict=True):
        wide = rng.uniform(0.008, 0.03)
        canvas.polygon(
            [(x - wide, y), (x, y - wide * 0.14), (x + wide, y), (x, y + wide * 0.14)],
            (255, 255, 255),
        )
        canvas.polygon(
            [(x, y - wide), (x - wide * 0.14, y), (x, y + wide), (x + wide * 0.14, y)],
            (255, 255, 255),
        )
    planet = vary(rng, (190, 120, 80), 60)
    x, y, wide = float(rng.choice((0.02, 0.98))), rng.uniform(0.0, 0.3), rng.uniform(0.3, 0.5)
    canvas.ellipse(x, y, wide, wide, mix(planet, (0, 0, 0), 0.5))
    canvas.ellipse(x + 0.02 * (0.5 - x), y - 0.01, wide * 0.94, wide * 0.94, planet)
    for band in (-0.25, 0.0, 0.22):
        canvas.ellipse(
            x, y + band * wide, wide * 0.8, wide * 0.07, mix(planet, (255, 230, 200), 0.3)
        )
    sky, bodies = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)), canvas.finish()
    sky.paste(bodies, (0, 0), bodies)
    return Backdrop(np.array(sky), shadow=0.0, ambient=(0.96, 0.96, 1.06))


def paint_moon(size_px: int, rng: np.random.Generator) -> Backdrop:
    canvas = Canvas(size_px, (6, 6, 16))
    for x, y in zip(rng.random(90), rng.uniform(0, 0.65, 90), strict=True):
        wide = rng.uniform(0.002, 0.008)
        canvas.ellipse(x, y, wide, wide, (240, 240, 255))
    x, y = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.22)
    canvas.ellipse(x, y, 0.2, 0.2, (40, 110, 210))
    for dx, dy, wide in ((-0.03, -0.02, 0.08), (0.04, 0.03, 0.07), (0.0, 0.06, 0.06)):
        canvas.ellipse(x + dx, y + dy, wide, wide * 0.7, (74, 160, 90))
    canvas.ellipse(x + 0.01, y - 0.05, 0.12, 0.02, (240, 246, 255))
    canvas.ridge(rng, 0.58, 0.03, (96, 96, 104))
    canvas.ridge(rng, 0.66, 0.02, (140, 140, 148))
    canvas.fade(0.72, 1, ((146, 146, 154), (186, 186, 192)))
    for y in np.sort(rng.uniform(0.7, 1.0, 12)):
        x, wide = rng.random(), rng.uniform(0.06, 0.2) * (y - 0.4)
        canvas.ellipse(x, y, wide, wide * 0.36, (112, 112, 120))
        canvas.ellipse(x, y + wide * 0.05, wide * 0.9, wide * 0.27, (150, 150, 158))
    rgb = canvas.finish_rgb()
    texture_rows(rgb, 0.6, smooth_noise(rng, size_px, 60), 0.25)
    return Backdrop(rgb, shadow=0.75)
