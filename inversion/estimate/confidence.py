"""Signals (q, s) of an answer -> the expected cosine between its vector and the true prompt's.

The model is a ridge regression on the signals and their squares, fitted on validation pictures. Its
calibration is measured on halves that it was not fitted on.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.inversion.estimate.gate import SIGNALS, standardize

PENALTY = 1.0  # relative to sums over all validation pictures
BINS = 10
FOLDS = 2


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

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Signals (q, s) -> expected cosines (q,)."""
        z = (signals - np.array(self.mean)) / np.array(self.scale)
        found = np.concatenate([z, z**2], axis=1) @ np.array(self.weights) + self.bias
        return np.asarray(np.clip(found, *self.range), dtype=np.float32)


class _Line(NamedTuple):
    weights: np.ndarray
    bias: float


def fit_confidence(signals: np.ndarray, cosines: np.ndarray) -> Confidence:
    """Fit on the signals (n, s) and the cosines (n,) of answers to validation pictures."""
    scaled = standardize(signals)
    columns = np.concatenate([scaled.values, scaled.values**2], axis=1)
    line = _ridge(columns, cosines)
    unseen = np.empty(len(cosines))
    for fold in range(FOLDS):
        held = np.arange(len(cosines)) % FOLDS == fold
        other = _ridge(columns[~held], cosines[~held])
        unseen[held] = columns[held] @ other.weights + other.bias
    expected = columns @ line.weights + line.bias
    bins = measure_reliability(unseen, cosines)
    return Confidence(
        mean=tuple(map(float, scaled.mean)),
        scale=tuple(map(float, scaled.scale)),
        weights=tuple(map(float, line.weights)),
        bias=line.bias,
        range=(float(expected.min()), float(expected.max())),
        calibration_error=calibration_error(bins),
        pictures=len(cosines),
        reliability=bins,
    )


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


def _ridge(columns: np.ndarray, values: np.ndarray) -> _Line:
    """Least squares with a penalty on the weights but not on the bias."""
    if not len(values):
        return _Line(np.zeros(columns.shape[1]), 0.0)
    center, mean = columns.mean(axis=0), float(values.mean())
    shifted = columns - center
    gram = shifted.T @ shifted + PENALTY * np.eye(columns.shape[1])
    weights = np.linalg.solve(gram, shifted.T @ (values - mean))
    return _Line(weights, mean - float(center @ weights))
