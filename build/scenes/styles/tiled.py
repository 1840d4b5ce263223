"""Styles made of tiles: (Picture, generator) -> RGB float32 (s, s, 3) in 0..1."""

import numpy as np
from PIL import Image

from unprompt.build.scenes.picture import (
    Picture,
    blur,
    find_edges,
    quantise,
    saturate,
    shrink,
    to_floats,
    to_image,
)
from unprompt.build.scenes.settings.backdrop import smooth_noise

GLASS_CELLS = 17
MOSAIC_CELLS = 40
STITCHES = 42


def paint_stained_glass(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Panes of one glowing colour each, cut along the things' outlines and joined by lead."""
    size = picture.size_px
    scale = size / 256
    cells = _cell_numbers(size, GLASS_CELLS, rng) * 2 + (picture.ink > 0.5)
    panes = _average_cells(picture.rgb, cells)
    share = (0.25 + 0.4 * picture.ink)[..., None]
    glass = saturate(panes * (1 - share) + picture.rgb * share, 1.7)
    ripple = 0.86 + 0.34 * smooth_noise(rng, size, 40)
    sheen = 0.9 + 0.3 * smooth_noise(rng, size, 3)
    lead = blur((find_edges(cells.astype(np.float32)) > 0).astype(np.float32), 1.0 * scale)
    lead = np.clip(lead * 2.1, 0, 1)[..., None]
    glass = np.clip((0.06 + glass * 1.05) * (ripple * sheen)[..., None], 0, 1)
    return glass * (1 - lead) + lead * np.array((0.07, 0.07, 0.09), dtype=np.float32)


def paint_mosaic(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Small stones of one colour each, uneven in tone, with pale grout between."""
    size = picture.size_px
    cut = _cell_numbers(size, MOSAIC_CELLS, rng)
    cells = cut * 2 + (picture.ink > 0.5)
    stones = _average_cells(saturate(picture.rgb, 1.6), cells)
    tones = rng.uniform(0.84, 1.14, int(cells.max()) + 1).astype(np.float32)
    grout = blur((find_edges(cut.astype(np.float32)) > 0).astype(np.float32), 0.6 * size / 256)
    grout = np.clip(grout * 1.5 - 0.35, 0, 1)[..., None]
    laid = np.clip(stones * tones[cells][..., None], 0, 1)
    return laid * (1 - grout) + grout * np.array((0.8, 0.76, 0.68), dtype=np.float32)


def paint_cross_stitch(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """A grid of X stitches in thread colours on linen."""
    size = picture.size_px
    threads = to_image(quantise(*shrink(picture, STITCHES), 24))
    wool = to_floats(threads.resize((size, size), Image.Resampling.NEAREST))
    cell = ((np.arange(size, dtype=np.float32) + 0.5) * STITCHES / size) % 1
    rising = np.abs(cell[:, None] - cell[None, :])
    falling = np.abs(cell[:, None] + cell[None, :] - 1)
    cover = np.clip((0.34 - np.minimum(rising, falling)) * 7, 0, 1)[..., None]
    shade = 1.12 - 1.3 * np.minimum(rising, falling)[..., None]
    weave = 0.86 + 0.14 * rng.random((size, size), dtype=np.float32)
    linen = weave[..., None] * np.array((0.93, 0.89, 0.8), dtype=np.float32)
    return np.clip(wool * shade, 0, 1) * cover + linen * 0.92 * (1 - cover)


def _cell_numbers(size: int, across: int, rng: np.random.Generator) -> np.ndarray:
    """int (s, s): the number of the nearest of across**2 jittered cells, per pixel."""
    from scipy.ndimage import distance_transform_edt

    grid = (np.arange(across) + 0.5) / across
    jitter = rng.uniform(-0.36, 0.36, (2, across, across)) / across
    rows = np.clip((grid[:, None] + jitter[0]) * size, 0, size - 1).astype(np.intp)
    columns = np.clip((grid[None, :] + jitter[1]) * size, 0, size - 1).astype(np.intp)
    empty = np.ones((size, size), dtype=bool)
    empty[rows, columns] = False
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    names = np.zeros((size, size), dtype=np.intp)
    names[rows, columns] = np.arange(across * across).reshape(across, across)
    return names[nearest[0], nearest[1]]


def _average_cells(rgb: np.ndarray, cells: np.ndarray) -> np.ndarray:
    flat = cells.ravel()
    counts = np.maximum(np.bincount(flat), 1)
    means = [np.bincount(flat, weights=rgb[..., i].ravel()) / counts for i in range(3)]
    return np.stack(means, axis=1).astype(np.float32)[cells]
