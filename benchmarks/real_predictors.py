"""Predictors for real.py: (train rows, test rows) -> prompt vectors (n, 384) of the test rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from real_rows import RealRows

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.fit.pairs.config import PairsConfig
from unprompt.inversion.fit.pairs.held_out import fit_tower

RIDGE = 0.02  # of the largest eigenvalue
GAMMA, KERNEL_PENALTY = 0.5, 0.5


def constant(train: RealRows, test: RealRows) -> np.ndarray:
    """The weighted mean target of the training rows, for every test row."""
    mean = to_unit_length((train.weights @ train.targets)[None])
    return np.repeat(mean, len(test.targets), axis=0)


@dataclass(frozen=True)
class Ready:
    """Answers that no training changes, such as those of a class bank: they are features."""

    name: str

    def __call__(self, train: RealRows, test: RealRows) -> np.ndarray:
        """The answers for the test rows."""
        return test.features[self.name]


@dataclass(frozen=True)
class Ridge:
    """Weighted ridge regression on the features of one or several towers."""

    towers: tuple[str, ...]
    penalty: float = RIDGE

    def __call__(self, train: RealRows, test: RealRows) -> np.ndarray:
        """Fit on the training rows and predict the test rows."""
        weights = train.weights / train.weights.sum()
        features, queries = join(train, self.towers), join(test, self.towers)
        center, mean = weights @ features, weights @ train.targets
        root = np.sqrt(weights)[:, None]
        shifted = (features - center) * root
        gram = shifted.T @ shifted
        gram.flat[:: len(gram) + 1] += self.penalty * largest_eigenvalue(gram)
        weight = np.linalg.solve(gram, shifted.T @ ((train.targets - mean) * root))
        return to_unit_length((queries - center) @ weight + mean)


@dataclass(frozen=True)
class KernelRidge:
    """Kernel ridge regression (RBF) on standardized features."""

    towers: tuple[str, ...]
    gamma: float = GAMMA
    penalty: float = KERNEL_PENALTY  # over the weight of a row
    extra: tuple[tuple[str, float], ...] = ()  # further features with their factor

    def __call__(self, train: RealRows, test: RealRows) -> np.ndarray:
        """Fit on the training rows and predict the test rows."""
        weights = train.weights
        own, queries = self._columns(train, train), self._columns(train, test)
        mean = (weights @ train.targets) / weights.sum()
        kernel = rbf(own, own, self.gamma)
        kernel.flat[:: len(kernel) + 1] += self.penalty / weights
        dual = np.linalg.solve(kernel, train.targets - mean)
        return to_unit_length(rbf(queries, own, self.gamma) @ dual + mean)

    def _columns(self, train: RealRows, rows: RealRows) -> np.ndarray:
        reference = join(train, self.towers)
        scaled = (join(rows, self.towers) - reference.mean(axis=0)) / reference.std(axis=0)
        parts = [scaled / np.sqrt(scaled.shape[1])]
        parts += [factor * rows.features[name] for name, factor in self.extra]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Starter:
    """The regression of the starter's real world: the mean over its towers, by its own settings.

    Without bank, classes and blend, which `unprompt train pairs` tunes and reports.
    """

    config: PairsConfig

    def __call__(self, train: RealRows, test: RealRows) -> np.ndarray:
        """Fit on the training rows and predict the test rows."""
        weights = train.weigh(self.config.weights)
        parts = []
        for tower in self.config.towers:
            fitted = fit_tower(train, tower, weights, self.config, None)
            parts.append(to_unit_length(fitted.predict(test.features[tower])))
        return to_unit_length(np.mean(parts, axis=0))


def largest_eigenvalue(matrix: np.ndarray, steps: int = 100) -> float:
    """The largest eigenvalue of a symmetric matrix without negative ones, by power iteration."""
    vector = np.random.default_rng(0).standard_normal(len(matrix))
    for _ in range(steps):
        vector = matrix @ (vector / np.linalg.norm(vector))
    return float(np.linalg.norm(vector))


def join(rows: RealRows, towers: Sequence[str]) -> np.ndarray:
    """The features of several towers side by side."""
    return np.concatenate([rows.features[tower] for tower in towers], axis=1).astype(np.float64)


def rbf(left: np.ndarray, right: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma * squared distance) of rows (n, d) and (m, d) -> (n, m)."""
    squared = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2.0 * (left @ right.T)
    return np.exp(-gamma * np.maximum(squared, 0.0))
