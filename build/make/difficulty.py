"""Vectors (n, d) of answered prompts and their cosines (n,) -> the expected cosine of any prompt.

Ridge regression and the mean of the k nearest prompts are compared by leave-one-out error. The
better one is measured on the half of the prompts that neither was fitted on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unprompt.index.base.errors import CorpusError
from unprompt.index.vectors.nearest import nearest

PENALTIES = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # relative to the mean variance
NEIGHBOR_COUNTS = (5, 10, 20, 50, 100)
MIN_PROMPTS = 20
HARDEST_SHARE = 0.2  # of the held-out half, whose mean cosine is reported


@dataclass(frozen=True)
class Quality:
    """How well a model predicts the cosines of prompts that it was not fitted on."""

    model: str
    fitted_on: int
    measured_on: int
    pearson: float
    spearman: float
    mean_error: float  # mean |expected - reached|
    mean_error_of_constant: float  # the same for a model that always expects the mean
    mean_cosine: float
    mean_cosine_of_hardest: float  # of the fifth with the lowest expected cosines

    def as_json(self) -> dict[str, Any]:
        """The fields by name, rounded to four decimals."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


class RidgeDifficulty:
    """Expected cosine = bias + weights . vector."""

    def __init__(self, weights: np.ndarray, bias: float, penalty: float):
        self._weights, self._bias, self._penalty = weights, bias, penalty

    @property
    def name(self) -> str:
        """The kind of model, with its setting."""
        return f"ridge, penalty {self._penalty:g}"

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Unit vectors (n, d) -> expected cosines (n,)."""
        return np.asarray(vectors, np.float64) @ self._weights + self._bias


class KnnDifficulty:
    """Expected cosine = mean over the k nearest prompts."""

    def __init__(self, vectors: np.ndarray, cosines: np.ndarray, k: int):
        self._vectors, self._cosines, self._k = vectors, cosines, k

    @property
    def name(self) -> str:
        return f"mean of the {self._k} nearest prompts"

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        rows = nearest(vectors, self._vectors, self._k)[1]
        return np.asarray(self._cosines[rows].mean(axis=1))


Difficulty = RidgeDifficulty | KnnDifficulty


def fit_difficulty(vectors: np.ndarray, cosines: np.ndarray) -> Difficulty:
    """The model and setting with the lowest mean squared leave-one-out error."""
    found = [*_ridge_models(vectors, cosines), *_knn_models(vectors, cosines)]
    return min(found, key=lambda pair: pair[0])[1]


def measure_difficulty(vectors: np.ndarray, cosines: np.ndarray, held_out: np.ndarray) -> Quality:
    """Fit on the prompts outside `held_out` (n,) bool, measure on those inside."""
    model = fit_difficulty(vectors[~held_out], cosines[~held_out])
    expected, reached = model.predict(vectors[held_out]), cosines[held_out]
    constant = float(cosines[~held_out].mean())
    hardest = np.argsort(expected, kind="stable")[: max(1, round(HARDEST_SHARE * len(expected)))]
    return Quality(
        model=model.name,
        fitted_on=int((~held_out).sum()),
        measured_on=len(reached),
        pearson=correlation(expected, reached),
        spearman=correlation(ranks(expected), ranks(reached)),
        mean_error=float(np.abs(expected - reached).mean()),
        mean_error_of_constant=float(np.abs(constant - reached).mean()),
        mean_cosine=float(reached.mean()),
        mean_cosine_of_hardest=float(reached[hardest].mean()),
    )


def check_enough(prompts: int) -> None:
    """Raises CorpusError for fewer prompts than a model needs."""
    if prompts < MIN_PROMPTS:
        raise CorpusError(
            f"the cosines of {prompts} prompts are too few to learn from; {MIN_PROMPTS} is the "
            "minimum, 1,000 is better; add `--split test`, or build the run with a larger "
            "corpus.validation"
        )


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Pearson's correlation; 0 if one side is constant."""
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale > 1e-12 else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (n,) float64 from 0; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[place], dtype=np.float64)


def _ridge_models(vectors: np.ndarray, cosines: np.ndarray) -> Sequence[tuple[float, Difficulty]]:
    """(leave-one-out error, model) per penalty, in closed form from one decomposition."""
    x, y = np.asarray(vectors, np.float64), np.asarray(cosines, np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean()
    left, values, right = np.linalg.svd(x - x_mean, full_matrices=False)
    projected = left.T @ (y - y_mean)
    found: list[tuple[float, Difficulty]] = []
    for penalty in PENALTIES:
        squares = values**2
        shrunk = squares / (squares + penalty * squares.mean() + 1e-12)
        residuals = (y - y_mean) - left @ (shrunk * projected)
        leverage = np.einsum("ij,j->i", left**2, shrunk) + 1 / len(y)
        error = float(np.mean((residuals / np.maximum(1 - leverage, 1e-6)) ** 2))
        weights = right.T @ (shrunk / np.maximum(values, 1e-12) * projected)
        bias = float(y_mean - x_mean @ weights)
        found.append((error, RidgeDifficulty(weights, bias, penalty)))
    return found


def _knn_models(vectors: np.ndarray, cosines: np.ndarray) -> Sequence[tuple[float, Difficulty]]:
    """(leave-one-out error, model) per k; a prompt is not its own neighbor."""
    sizes = [k for k in NEIGHBOR_COUNTS if k <= len(vectors) / 2]
    rows = nearest(vectors, vectors, max(sizes) + 1)[1]
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # a duplicate took its place: leave out the last
    others = rows[~own].reshape(len(rows), -1)
    found: list[tuple[float, Difficulty]] = []
    for k in sizes:
        errors = cosines[others[:, :k]].mean(axis=1) - cosines
        found.append((float(np.mean(errors**2)), KnnDifficulty(vectors, cosines, k)))
    return found
