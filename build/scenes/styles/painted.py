"""Styles of brush, pencil and chalk: (Picture, generator) -> RGB float32 (s, s, 3) in 0..1."""

import numpy as np

from unprompt.build.scenes.picture import (
    Picture,
    blur,
    displace,
    find_edges,
    find_luma,
    saturate,
)
from unprompt.build.scenes.settings.backdrop import smooth_noise

STROKE_STEPS = (-3, -2, -1, 1, 2, 3)


def paint_watercolor(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Bleeding washes with dark rims on white paper, and a ragged unpainted margin."""
    size = picture.size_px
    scale = size / 256
    wander = [(smooth_noise(rng, size, 22) - 0.5) * 4.5 * scale for _ in range(2)]
    wash = blur(displace(picture.rgb, *wander), 0.9 * scale)
    wash = 1 - (1 - saturate(wash, 1.25)) * 0.82
    luma = find_luma(wash)
    lifted = np.clip(0.3 - luma, 0, 1)[..., None] * np.array((0.55, 0.5, 0.6), dtype=np.float32)
    rims = np.clip(find_edges(blur(luma, 1.0 * scale)) * 2.2, 0, 0.3)
    pigment = 0.86 + 0.28 * smooth_noise(rng, size, 9) * smooth_noise(rng, size, 50)
    grain = 1 - 0.09 * rng.random((size, size), dtype=np.float32)
    painted = 1 - (1 - (wash + lifted)) * pigment[..., None]
    painted = painted * (1 - rims[..., None] * 0.6)
    axis = np.abs(np.linspace(-1, 1, size, dtype=np.float32))
    border = np.maximum(axis[:, None], axis[None, :]) + (smooth_noise(rng, size, 14) - 0.5) * 0.2
    bare = np.clip((border - 0.9) * 14, 0, 1)[..., None] * (1 - 0.85 * picture.ink[..., None])
    paper = np.array((0.985, 0.975, 0.95), dtype=np.float32)
    return (painted * (1 - bare) + paper * bare) * grain[..., None]


def paint_oil(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Colour and relief smeared along the outlines: thick strokes that catch the light."""
    size = picture.size_px
    scale = size / 256
    soft = blur(find_luma(picture.rgb), 3.2 * scale)
    slope_y, slope_x = np.gradient(soft)
    swirl = (smooth_noise(rng, size, 5) - 0.5) * 0.05
    angle = np.arctan2(slope_x + swirl, -(slope_y + 0.006))
    step_y, step_x = np.sin(angle) * 1.7 * scale, np.cos(angle) * 1.7 * scale
    dabs = blur(rng.random((size, size), dtype=np.float32), 0.9 * scale)
    jitter = (smooth_noise(rng, size, size // 5) - 0.5) * 3 * scale
    colour = saturate(displace(picture.rgb, jitter, jitter[::-1]), 1.3)
    layers = np.dstack((colour, dabs))
    smeared = layers.copy()
    for step in STROKE_STEPS:
        smeared += displace(layers, step_y * step, step_x * step)
    smeared /= len(STROKE_STEPS) + 1
    relief = np.gradient(smeared[..., 3])
    light = 1 + (relief[0] + relief[1]) * 5.5 + (smeared[..., 3] - 0.5) * 1.5
    return smeared[..., :3] * np.clip(light, 0.6, 1.5)[..., None]


def paint_pencil(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Graphite lines and slanted hatching that darkens with the shade, on off-white paper."""
    size = picture.size_px
    scale = size / 256
    luma = find_luma(picture.rgb)
    wobble = [(smooth_noise(rng, size, 26) - 0.5) * 2.4 * scale for _ in range(2)]
    drawn = displace(luma, *wobble)
    lines = np.clip((blur(drawn, 1.8 * scale) - drawn) * 4.2, 0, 1)
    lines = np.maximum(lines, np.clip(find_edges(displace(picture.ink, *wobble)) * 0.8, 0, 0.8))
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    weave = rng.random((size, size), dtype=np.float32) * 0.5
    period = 4.2 * scale
    hatch = 0.5 + 0.5 * np.sin((rows + columns * 0.8) * 2 * np.pi / period / 1.28)
    cross = 0.5 + 0.5 * np.sin((rows - columns * 0.9) * 2 * np.pi / period / 1.34)
    strength = 0.35 + 0.65 * picture.ink
    shade = np.clip(0.8 - luma, 0, 1) * strength
    deep = np.clip(0.42 - luma, 0, 1) * strength
    tone = shade * (0.35 + hatch * 0.7) * (0.75 + weave) + deep * cross * 0.9
    paper = 0.97 - 0.05 * smooth_noise(rng, size, 60)
    grey = np.clip(paper - tone * 0.85 - lines * 0.85, 0.06, 1)
    return grey[..., None] * np.array((1.0, 0.985, 0.955), dtype=np.float32)


def paint_chalk(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Dusty coloured strokes on a dark board with wiped smears."""
    size = picture.size_px
    scale = size / 256
    slate = np.array((0.1, 0.15, 0.135), dtype=np.float32)
    board = slate * (0.85 + 0.5 * smooth_noise(rng, size, 4))[..., None]
    wobble = [(smooth_noise(rng, size, 30) - 0.5) * 2.2 * scale for _ in range(2)]
    rgb, ink = displace(picture.rgb, *wobble), displace(picture.ink, *wobble)
    vivid = np.clip(saturate(blur(rgb, 1.2 * scale), 1.6) * 0.85 + 0.32, 0, 1)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    hatch = 0.5 + 0.5 * np.sin((rows * 0.9 + columns) * 2 * np.pi / (5.5 * scale))
    dust = rng.random((size, size), dtype=np.float32)
    luma = find_luma(rgb)
    body = np.clip(luma * 1.5 + 0.12, 0, 1) * (0.72 + 0.28 * hatch) * (ink * 0.75 + 0.25)
    outline = np.clip(find_edges(blur(ink, 0.8 * scale)) * 5, 0, 1)
    detail = np.clip(find_edges(blur(luma, 0.7 * scale)) * 3.5, 0, 1) * (0.45 + 0.55 * ink)
    cover = np.clip(np.maximum(body, np.maximum(outline, detail)), 0, 1)
    cover = cover * np.clip(dust * 1.3 + 0.35, 0, 1)
    return board * (1 - cover[..., None]) + vivid * cover[..., None]
