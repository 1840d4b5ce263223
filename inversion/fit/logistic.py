"""Features (n, D) and classes (n,) -> a multinomial logistic regression, its penalty by folds."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unprompt.inversion.estimate.router import softmax

ROUNDS = 100


class Line(NamedTuple):
    """logits = features @ weights + bias."""

    weights: np.ndarray  # (D, c)
    bias: np.ndarray  # (c,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (n, D) -> probabilities (n, c)."""
        return softmax(features @ self.weights + self.bias)


class Examples(NamedTuple):
    """Pictures with their class and the weight of each."""

    features: np.ndarray  # (n, D)
    labels: np.ndarray  # (n,) from 0 to c - 1
    weights: np.ndarray  # (n,) sum to 1
    classes: int  # c

    def take(self, rows: np.ndarray) -> "Examples":
        """The pictures at positions or under a mask `rows`, with weights that sum to 1 again."""
        weights = self.weights[rows]
        return Examples(
            self.features[rows], self.labels[rows], weights / weights.sum(), self.classes
        )


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights (n,) that give every class the same share; they sum to 1."""
    counts = np.bincount(labels, minlength=classes)
    weights = 1.0 / counts[labels]
    return np.asarray(weights / weights.sum())


def fit_logistic(examples: Examples, penalty: float, start: Line | None = None) -> Line:
    """Minimize the weighted mean log loss plus penalty / 2 times the squared weights."""
    from scipy.optimize import minimize

    features, labels, weights, classes = examples
    center = weights @ features  # the search converges sooner around it; the optimum is the same
    features = features - center
    shape = (features.shape[1] + 1, classes)
    hits = np.eye(classes)[labels]

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        table = point.reshape(shape)
        found = softmax(features @ table[:-1] + table[-1])
        value = -float(weights @ np.log(np.maximum(found[np.arange(len(labels)), labels], 1e-12)))
        error = (found - hits) * weights[:, None]
        slope = np.concatenate([features.T @ error + penalty * table[:-1], error.sum(axis=0)[None]])
        return value + penalty / 2 * float((table[:-1] ** 2).sum()), slope.ravel()

    begin = np.zeros(shape)
    if start is not None:
        begin = np.concatenate([start.weights, (start.bias + center @ start.weights)[None]])
    found = minimize(
        loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}
    ).x.reshape(shape)
    return Line(found[:-1], found[-1] - center @ found[:-1])


def choose_penalty(
    examples: Examples, folds: np.ndarray, penalties: Sequence[float]
) -> tuple[float, float]:
    """The penalty with the least log loss on folds (n,) that were left out, and that loss."""
    losses = dict.fromkeys(penalties, 0.0)
    for held in each_fold(folds):
        line = None
        rest, own = examples.take(~held), examples.take(held)
        for penalty in sorted(penalties, reverse=True):
            line = fit_logistic(rest, penalty, line)
            found = line(own.features)[np.arange(held.sum()), own.labels]
            share = float(examples.weights[held].sum())
            losses[penalty] -= share * float(own.weights @ np.log(np.maximum(found, 1e-12)))
    best = min(losses, key=lambda penalty: losses[penalty])
    return best, losses[best]


def each_fold(folds: np.ndarray) -> Iterator[np.ndarray]:
    """A mask (n,) per fold."""
    for fold in np.unique(folds):
        yield folds == fold


def make_folds(groups: np.ndarray, labels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The fold (n,) of every picture: groups (n,) stay whole, classes (n,) lie in all folds."""
    random = np.random.default_rng(seed)
    folds = np.full(len(groups), -1)
    for label in np.unique(labels):
        names = np.unique(groups[(labels == label) & (folds < 0)])
        places = random.permutation(len(names)) % count
        held = np.isin(groups, names)
        folds[held] = places[np.searchsorted(names, groups[held])]
    return folds
