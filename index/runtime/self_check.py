"""Vectors of the same pictures from two runtimes -> their cosines: is the faster one accurate?

The pictures are synthetic and the same every time. Half have the falling spectrum of photographs,
half the few flat colors of drawings.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unprompt.index.base.errors import UnpromptError

CHECKED = 16  # pictures that decide the precision
FLOOR = 0.9999  # least mean cosine to f32 for `precision: auto`
BROKEN = 0.99  # a lower cosine is no rounding error: the network is wrong
FALL = 1.2  # exponent of the falling spectrum
LEVELS = 3  # per color channel of a drawing
Run = Callable[[np.ndarray], np.ndarray]


class Agreement(NamedTuple):
    """Cosines between the vectors of two runtimes."""

    mean: float
    lowest: float


def synthetic_pictures(count: int, size: int) -> np.ndarray:
    """Pixels (count, size, size, 3) uint8; every second one is a drawing, none changes."""
    pictures = np.stack([_cloud(number, size) for number in range(count)])
    step = 256 // LEVELS
    pictures[1::2] = pictures[1::2] // step * step
    return pictures


def compare(wanted: np.ndarray, found: np.ndarray) -> Agreement:
    """Unit vectors (n, d) of the same pictures from two runtimes -> mean and lowest cosine."""
    cosines = np.einsum("nd,nd->n", wanted, found)
    return Agreement(float(cosines.mean()), float(cosines.min()))


def check_batched(single: Run, bulk: Run, size: int, batch: int) -> None:
    """Compare the network for batches with the network for single pictures.

    Both take pixels (n, s, s, 3) uint8. Raises UnpromptError where their vectors differ.
    """
    pictures = synthetic_pictures(2, size)
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
    colored = planes @ (np.eye(3) + generator.standard_normal((3, 3)) / 2)
    colored = (colored - colored.mean((0, 1))) / colored.std((0, 1))
    tint = generator.normal(0, 20, 3)
    return np.clip(128 + 50 * colored + tint, 0, 255).astype(np.uint8)
