"""A picture -> whether it is blank: nearly all of it has one color.

Two small versions are compared with their median color. Averages of blocks show thin lines and
faint structure; single pixels show noise, which averages away.
"""

import numpy as np
from PIL import Image

SIDE = 64  # pixels of the longer side of the small versions, at most about twice that
SHARE = 0.995  # of the pixels that have the color
LEVELS_OF_BLOCKS, LEVELS_OF_PIXELS = 4, 12  # of 255, off the median color in any channel


def is_blank(image: Image.Image) -> bool:
    """Whether an RGB image has one color, but for 0.5 % of it and faint noise."""
    factor = max(1, max(image.size) // SIDE)
    small = max(1, image.width // factor), max(1, image.height // factor)
    pixels = image.resize(small, Image.Resampling.NEAREST)
    if not _has_one_color(pixels, LEVELS_OF_PIXELS):
        return False
    return _has_one_color(image.reduce(factor), LEVELS_OF_BLOCKS)


def _has_one_color(image: Image.Image, levels: int) -> bool:
    values = np.asarray(image, dtype=np.int16).reshape(-1, 3)
    off = np.abs(values - np.median(values, axis=0)).max(axis=1)
    return bool((off <= levels).mean() >= SHARE)
