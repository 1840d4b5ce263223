"""Signals (q, s) of an answer -> the expected cosine between its vector and the true prompt's.

The model is a ridge regression on the signals and their squares, fitted on validation pictures
(`unprompt.inversion.fit.calibrate`). Its calibration is measured on prompts that it was not fitted
on.
"""

from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.inversion.estimate.gate import SIGNALS

BINS = 10


@dataclass(frozen=True, config=STRICT)
class Reliability:
    """One bin of the reliability plot: pictures with a similar expected cosine."""

    expected: float
    found: float
    pictures: int


@dataclass(frozen=True, config=STRICT)
class Confidence:
    """expected cosine = bias + weights . (z, z^2), z the standardized signals; clipped."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    range: tuple[float, float]  # lowest and highest expectation on validation
    calibration_error: float  # mean |expected - found| over the bins, weighted by pictures
    pictures: int
    reliability: tuple[Reliability, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.mean) == len(self.scale) == len(self.weights) / 2 == len(SIGNALS):
            raise ConfigError(f"a confidence needs numbers for each of {SIGNALS}")
        if min(self.scale) <= 0 or self.range[0] > self.range[1]:
            raise ConfigError(
                f"a confidence needs scales over 0 and a rising range, got {self.scale} and "
                f"{self.range}"
            )

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Signals (q, s) -> expected cosines (q,)."""
        z = (signals - np.array(self.mean)) / np.array(self.scale)
        found = np.concatenate([z, z**2], axis=1) @ np.array(self.weights) + self.bias
        return np.asarray(np.clip(found, *self.range), dtype=np.float32)


def measure_reliability(
    expected: np.ndarray, found: np.ndarray, bins: int = BINS
) -> tuple[Reliability, ...]:
    """Sort pictures by expectation into bins of equal size, with the mean of both per bin.

    There are at most BINS of them.
    """
    order = np.argsort(expected, kind="stable")
    parts = np.array_split(order, min(BINS, bins, max(1, len(order))))
    return tuple(
        Reliability(float(expected[part].mean()), float(found[part].mean()), len(part))
        for part in parts
        if len(part)
    )


def calibration_error(bins: tuple[Reliability, ...]) -> float:
    """Mean absolute difference between expected and found cosine, weighted by pictures."""
    total = sum(part.pictures for part in bins)
    wrong = sum(abs(part.expected - part.found) * part.pictures for part in bins)
    return float(wrong / max(1, total))


def save_confidence(path: Path, confidence: Confidence) -> None:
    """Write the confidence as JSON."""
    write_json(path, write_settings(confidence))


def load_confidence(path: Path) -> Confidence:
    """Read a confidence. Raises DamagedFileError or ConfigError if the file holds none."""
    return read_settings(Confidence, read_json(path), str(path))
