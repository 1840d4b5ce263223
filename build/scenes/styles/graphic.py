"""Styles of print, light and screen: (Picture, generator) -> RGB float32 (s, s, 3) in 0..1."""

import numpy as np
from PIL import Image, ImageFilter

from unprompt.build.scenes.picture import (
    Picture,
    blur,
    find_edges,
    find_luma,
    find_strongest,
    quantise,
    saturate,
    shrink,
    to_floats,
    to_image,
)
from unprompt.build.scenes.settings.backdrop import smooth_noise

PIXELS_ACROSS = 46


def print_flat(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Few even colours and no texture."""
    setting = quantise(blur(picture.rgb, 1.0 * picture.size_px / 256), picture.ink, 16)
    ink = picture.ink[..., None]
    return saturate(setting * (1 - ink) + picture.rgb * ink, 1.18)


def print_pixels(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Big square pixels in a console's palette."""
    size = picture.size_px
    console = quantise(*shrink(picture, PIXELS_ACROSS), 24)
    grown = to_image(console).resize((size, size), Image.Resampling.NEAREST)
    return to_floats(grown)


def print_photo(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Silver grain, strong contrast and dark corners, without colour."""
    size = picture.size_px
    luma = blur(find_luma(picture.rgb), 0.5 * size / 256)
    curve = luma * luma * (3 - 2 * luma)
    grain = rng.normal(0, 0.06, (size, size)).astype(np.float32)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    corners = 1.12 - 0.3 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    grey = (0.35 * luma + 0.65 * curve + grain) * corners
    return np.repeat(np.clip(grey, 0.02, 1)[..., None], 3, axis=2)


def print_neon(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Glowing tubes along the outlines, in the colours that they enclose, before a dark wall."""
    size = picture.size_px
    scale = size / 256
    half = to_image(picture.rgb).reduce(2).filter(ImageFilter.MaxFilter(3))
    around = half.resize((size, size), Image.Resampling.BILINEAR)
    hue = saturate(to_floats(around), 2.6)
    hue = hue / np.maximum(find_strongest(hue)[..., None], 0.2)
    outline = find_edges(blur(picture.ink, 1.0 * scale)) * 3.2
    inner = find_edges(blur(picture.rgb, 0.9 * scale)) * (0.7 + picture.ink)
    tube = np.clip(np.maximum(outline, inner), 0, 1)[..., None]
    light = tube * hue
    glow = blur(light, 3.0 * scale) * 1.1 + blur(light, 10 * scale) * 1.3
    wall = picture.rgb * 0.07 + np.array((0.025, 0.02, 0.06), dtype=np.float32)
    fill = hue * picture.ink[..., None] * 0.1
    return wall + fill + glow + light * 0.9 + np.clip(tube - 0.65, 0, 1) * 0.7


def print_poster(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """A few faded inks on yellowed paper, worn, inside a cream margin."""
    size = picture.size_px
    scale = size / 256
    paper = np.array((0.95, 0.89, 0.74), dtype=np.float32)
    inks = quantise(saturate(blur(picture.rgb, 0.7 * scale), 1.2), picture.ink, 12)
    faded = (0.1 + 0.86 * inks) * paper
    grain = rng.random((size, size), dtype=np.float32)
    worn = (smooth_noise(rng, size, 18) * 0.6 + grain * 0.55 > 0.92)[..., None] * 0.35
    faded = faded * (1 - worn) + paper * worn
    axis = np.abs(np.linspace(-1, 1, size, dtype=np.float32))
    border = np.maximum(axis[:, None], axis[None, :])
    faded[border > 0.91] = paper
    faded[(border > 0.925) & (border < 0.94)] = (0.34, 0.2, 0.14)
    return faded * (0.95 + 0.05 * grain[..., None])


def print_dream(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, glowing and pastel, with soft spots of light."""
    size = picture.size_px
    scale = size / 256
    soft = blur(picture.rgb, 2.6 * scale)
    haze = blur(picture.rgb, 14 * scale)
    glow = 1 - (1 - soft) * (1 - haze * 0.42)
    tint = np.array(((1.0, 0.84, 0.94), (0.84, 0.92, 1.0)), dtype=np.float32)[rng.integers(2)]
    spots = smooth_noise(rng, size, 6) ** 5
    return np.clip(0.1 + 0.86 * saturate(glow, 1.1) * tint + 0.42 * spots[..., None], 0, 1)


def print_comic(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Flat bright inks, halftone dots in the shade, thick outlines and a panel frame."""
    size = picture.size_px
    scale = size / 256
    smooth = blur(picture.rgb, 0.6 * scale)
    luma = find_luma(smooth)
    bright = np.rint(saturate(smooth, 1.7) * 4) / 4
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / (6.5 * scale)
    dots = np.sin((rows + columns) * np.pi / 1.414) * np.sin((rows - columns) * np.pi / 1.414)
    setting = 1 - picture.ink
    bright = np.where((dots * 0.5 + 0.5 > luma * 1.2 + 0.3)[..., None], bright * 0.55, bright)
    light_dots = (np.abs(dots) > 0.62) * setting * (luma > 0.4)
    bright = bright + (1 - bright) * 0.55 * light_dots[..., None]
    outline = to_floats(to_image(find_edges(picture.ink)).filter(ImageFilter.MaxFilter(3)))
    lines = np.clip(np.maximum(outline * 3, find_edges(blur(luma, 0.6)) * 2.4 - 0.2), 0, 1)
    page = bright * (1 - lines[..., None])
    axis = np.abs(np.linspace(-1, 1, size, dtype=np.float32))
    border = np.maximum(axis[:, None], axis[None, :])
    page[border > 0.95] = 0.04
    page[border > 0.968] = 0.98
    return page
