"""Does a faster way of running a tower still give its vectors? Vectors by two ways -> cosines.

The pictures are made, the same ones every time: clouds as photographs have them (a spectrum that
falls with frequency), and the same clouds in few flat colours as drawings have them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unprompt.index.base.errors import UnpromptError

CHECKED = 16  # pictures that choose the precision
FLOOR = 0.9999  # mean cosine to fp32 that `precision: auto` keeps
BROKEN = 0.99  # under it a network is not rounded but wrong
FALL = 1.2  # how fast the spectrum falls
LEVELS = 3  # of a drawing's colours
Run = Callable[[np.ndarray], np.ndarray]


class Agreement(NamedTuple):
    """Cosines of the same pictures' vectors by two ways."""

    mean: float
    lowest: float


def made_pictures(count: int, size: int) -> np.ndarray:
    """Pixels (count, size, size, 3) uint8; every other picture is a drawing."""
    pictures = np.stack([_cloud(number, size) for number in range(count)])
    step = 256 // LEVELS
    pictures[1::2] = pictures[1::2] // step * step
    return pictures


def compare(wanted: np.ndarray, found: np.ndarray) -> Agreement:
    """Rows of unit length (n, d), by two ways."""
    cosines = np.einsum("nd,nd->n", wanted, found)
    return Agreement(float(cosines.mean()), float(cosines.min()))


def check_lanes(single: Run, bulk: Run, size: int, batch: int) -> None:
    """Refuse a bulk network whose vectors are not those of the network for single pictures.

    Each takes pixels (n, s, s, 3). Raises UnpromptError before anything is embedded with it.
    """
    pictures = made_pictures(2, size)
    wanted = np.concatenate([single(picture[None]) for picture in pictures])
    found = bulk(np.concatenate([pictures[:1], np.repeat(pictures[1:], batch - 1, axis=0)]))
    lowest = min(compare(wanted, found[:2]).lowest, compare(wanted[1:], found[-1:]).lowest)
    if not lowest >= BROKEN:  # NaN too
        raise UnpromptError(
            f"the tower gives other vectors in batches than for single pictures on this CPU "
            f"(cosine {lowest:.3f}, wanted {BROKEN} and more); set `encoder.precision: f32`, and "
            "if it goes on `encoder.runtime: torch`, then run the same command again"
        )


def _cloud(number: int, size: int) -> np.ndarray:
    generator = np.random.default_rng(number)
    frequency = np.fft.fftfreq(size)
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[0, 0] = 1.0
    noise = generator.standard_normal((3, size, size))
    planes = np.fft.ifft2(np.fft.fft2(noise) / radius**FALL).real.transpose(1, 2, 0)
    coloured = planes @ (np.eye(3) + generator.standard_normal((3, 3)) / 2)
    coloured = (coloured - coloured.mean((0, 1))) / coloured.std((0, 1))
    tint = generator.normal(0, 20, 3)
    return np.clip(128 + 50 * coloured + tint, 0, 255).astype(np.uint8)
