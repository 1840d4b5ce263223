"""Signals (n, s) and cosines (n,) of answered pictures -> the cosine that an answer can expect."""

from typing import NamedTuple

import numpy as np

from unprompt.inversion.estimate.confidence import (
    Confidence,
    calibration_error,
    measure_reliability,
)
from unprompt.inversion.estimate.gate import standardize
from unprompt.inversion.fit.by_prompt import equal_weights, halve

PENALTY = 1.0  # relative to sums over all prompts


class _Line(NamedTuple):
    weights: np.ndarray  # (c,)
    bias: float

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Columns (n, c) -> values (n,)."""
        return columns @ self.weights + self.bias


def fit_confidence(signals: np.ndarray, cosines: np.ndarray, groups: np.ndarray) -> Confidence:
    """Fit on the signals (n, s) and the cosines (n,) of answers to validation pictures.

    Pictures with the same number in `groups` (n,), those of one prompt, count as one and are never
    split: the calibration of a picture is measured with a fit on the other half of the prompts. A
    fit without any prompt expects 0.
    """
    scaled = standardize(signals)
    columns = np.concatenate([scaled.values, scaled.values**2], axis=1)
    line, half = _ridge(columns, cosines, groups), halve(groups)
    unseen = np.empty(len(cosines))
    for held in (half == 0, half == 1):
        unseen[held] = _ridge(columns[~held], cosines[~held], groups[~held])(columns[held])
    expected = line(columns)
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


def _ridge(columns: np.ndarray, values: np.ndarray, groups: np.ndarray) -> _Line:
    """Least squares over groups of the same weight, with a penalty on all but the bias."""
    if not len(values):
        return _Line(np.zeros(columns.shape[1]), 0.0)
    shares = equal_weights(groups)
    weights = shares * len(np.unique(groups))
    center, mean = shares @ columns, float(shares @ values)
    shifted = columns - center
    gram = (shifted.T * weights) @ shifted + PENALTY * np.eye(columns.shape[1])
    found = np.linalg.solve(gram, (shifted.T * weights) @ (values - mean))
    return _Line(found, mean - float(center @ found))
