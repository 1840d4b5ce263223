"""Signals (q, s) of a query -> its own alpha: near, agreeing neighbors get more weight."""

from typing import NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.knn import KnnEstimate

SIGNALS = ("top score", "margin", "spread", "concentration", "agreement")


@dataclass(frozen=True, config=STRICT)
class Gate:
    """alpha = sigmoid(bias + weights . (signals - mean) / scale)."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        lengths = {len(self.mean), len(self.scale), len(self.weights)}
        if lengths != {len(SIGNALS)} or min(self.scale) <= 0:
            raise ConfigError(
                f"a gate needs a mean, a scale over 0 and a weight for each of {SIGNALS}"
            )

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """Signals (q, 5) -> alpha (q,) between 0 and 1."""
        shifted = (signals - np.array(self.mean)) / np.array(self.scale)
        logits = np.clip(shifted @ np.array(self.weights) + self.bias, -30.0, 30.0)
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)


class Standardized(NamedTuple):
    """Signals with zero mean and unit variance, and the mean and scale that were removed."""

    values: np.ndarray  # (q, s)
    mean: np.ndarray  # (s,)
    scale: np.ndarray  # (s,)


def measure_signals(knn: KnnEstimate, head: np.ndarray) -> np.ndarray:
    """Signals (q, 5) float64 in the order of SIGNALS; zeros for a query without neighbors.

    They are: the best score; the best minus the mean score; the effective share of the neighbors
    (exp of the weights' entropy, divided by k); the length of their weighted mean target; the
    cosine between the two estimates.
    """
    found = knn.neighbors.rows >= 0
    scores = np.where(found, knn.neighbors.scores.astype(np.float64), 0.0)
    count = np.maximum(found.sum(axis=1), 1)
    top, mean = scores[:, 0], scores.sum(axis=1) / count
    weights = np.abs(knn.weights.astype(np.float64))
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(axis=1)
    agreement = np.einsum("qd,qd->q", to_unit_length(knn.vectors), to_unit_length(head))
    columns = (top, top - mean, np.exp(entropy) / count, knn.concentration, agreement)
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def standardize(signals: np.ndarray) -> Standardized:
    """Scale signals (q, s) to zero mean and unit variance; a constant signal becomes zero."""
    mean, scale = signals.mean(axis=0), signals.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return Standardized((signals - mean) / scale, mean, scale)
