"""Estimates and truth (n, d_prompt) -> the weights between the estimates, found by search."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from unprompt.inversion.estimate.blend import Blend, mix, query_alpha
from unprompt.inversion.estimate.gate import Gate, standardize
from unprompt.inversion.fit.by_prompt import equal_weights, halve

ADAM_STEPS, ADAM_RATE, SMOOTHING = 300, 0.03, 0.02
GATE_PENALTY = 1e-3  # on the squared weights of the signals


@dataclass(frozen=True)
class ValidationSet:
    """Both estimates of the validation pictures at unit length, with truth and gate signals."""

    knn: np.ndarray  # (n, d_prompt)
    head: np.ndarray  # (n, d_prompt)
    truth: np.ndarray  # (n, d_prompt)
    signals: np.ndarray  # (n, s)
    mean: np.ndarray  # (d_prompt,) mean target of the corpus
    groups: np.ndarray  # (n,) pictures of one prompt have the same number

    def take(self, rows: np.ndarray) -> "ValidationSet":
        """The pictures at positions `rows`."""
        return ValidationSet(
            self.knn[rows],
            self.head[rows],
            self.truth[rows],
            self.signals[rows],
            self.mean,
            self.groups[rows],
        )

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights (n,) with the sum 1 that give every prompt the same share."""
        return equal_weights(self.groups)

    def cosines(self, blend: Blend) -> np.ndarray:
        """Cosine between each blended vector and the truth, (n,)."""
        alpha = query_alpha(blend, self.signals)
        answers = mix(self.knn, self.head, alpha, blend.prior, self.mean)
        return np.einsum("nd,nd->n", answers, np.asarray(self.truth, np.float32)).astype(np.float64)

    def score(self, blend: Blend) -> float:
        """Mean cosine over prompts."""
        return float(self.weights @ self.cosines(blend))


def two_folds(validation: ValidationSet) -> Iterator[tuple[ValidationSet, ValidationSet]]:
    """Yield (fit on, measure on) twice, with each half of the prompts in both roles."""
    first = halve(validation.groups) == 0
    for rows in (first, ~first):
        yield validation.take(rows), validation.take(~rows)


def choose_alpha(
    knn: np.ndarray,
    head: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray | None = None,
    steps: int = 101,
) -> tuple[float, float]:
    """The alpha on an even grid with the best mean cosine to `truth`, and that cosine.

    `weights` (q,) with the sum 1 weigh the pictures; by default all count the same.

    Estimates and truth (q, d_prompt) have unit length, so the cosine of a mixture depends only on
    the three cosines between them.
    """
    truth = np.asarray(truth, dtype=np.float32)
    pairs = ((knn, truth), (head, truth), (knn, head))
    near_knn, near_head, agree = (np.einsum("qd,qd->q", *pair).astype(np.float64) for pair in pairs)
    grid = np.linspace(0.0, 1.0, steps)[:, None]
    length = np.sqrt(np.maximum(grid**2 + (1 - grid) ** 2 + 2 * grid * (1 - grid) * agree, 1e-12))
    cosines = (grid * near_knn + (1 - grid) * near_head) / length
    scores = cosines.mean(axis=1) if weights is None else cosines @ weights
    best = int(np.argmax(scores))
    return float(grid[best, 0]), float(scores[best])


def member_weights(
    estimates: Sequence[np.ndarray], truth: np.ndarray, pictures: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Weights (m,) >= 0 of m estimates (q, d_prompt) with the best mean cosine, and that cosine.

    `pictures` (q,) with the sum 1 weigh the pictures; by default all count the same.

    Nelder-Mead over the cosines between the estimates, as 33rd place weighted its models.
    """
    stacked = np.stack([np.asarray(estimate, np.float32) for estimate in estimates])
    near = np.einsum("mqd,qd->qm", stacked, np.asarray(truth, np.float32)).astype(np.float64)
    gram = np.einsum("mqd,nqd->qmn", stacked, stacked).astype(np.float64)

    def cosine(weights: np.ndarray) -> float:
        length = np.sqrt(np.maximum(np.einsum("m,qmn,n->q", weights, gram, weights), 1e-12))
        cosines = (near @ weights) / length
        return float(cosines.mean() if pictures is None else pictures @ cosines)

    found = _minimise(lambda roots: -cosine(roots**2), np.ones(len(estimates)))
    weights = found**2
    return weights / max(weights.sum(), 1e-12), cosine(weights)


def fit_prior(validation: ValidationSet, blend: Blend) -> Blend:
    """`blend` with alpha and the weight of the corpus mean fitted together."""

    def loss(point: np.ndarray) -> float:
        if not 0.0 <= point[0] <= 1.0:
            return 2.0
        return -validation.score(replace(blend, alpha=float(point[0]), prior=float(point[1])))

    alpha, prior = _minimise(loss, np.array([blend.alpha, blend.prior]), step=0.05)
    return replace(blend, alpha=float(alpha), prior=float(prior))


def fit_gate(validation: ValidationSet, blend: Blend) -> Blend:
    """`blend` with a gate over the signals; the search starts at the alpha of `blend`."""
    scaled = standardize(validation.signals)
    alpha = min(max(blend.alpha, 0.01), 0.99)

    def gated(point: np.ndarray) -> Blend:
        mean, scale, weights = (
            tuple(map(float, part)) for part in (scaled.mean, scaled.scale, point[1:])
        )
        gate = Gate(mean, scale, weights, float(point[0]))
        return replace(blend, gate=gate, alpha_per_dimension=None)

    def loss(point: np.ndarray) -> float:
        return GATE_PENALTY * float((point[1:] ** 2).sum()) - validation.score(gated(point))

    start = np.zeros(1 + scaled.values.shape[1])
    start[0] = np.log(alpha / (1.0 - alpha))
    return gated(_minimise(loss, start, step=0.5, rounds=400))


def alpha_per_dimension(validation: ValidationSet, blend: Blend) -> Blend:
    """`blend` with one alpha for each of the d_prompt dimensions, as 2nd and 5th place had.

    Fitted with Adam; a penalty on the squared distance keeps them near the alpha of `blend`.
    """
    knn, head, truth = (
        np.asarray(part, np.float64) for part in (validation.knn, validation.head, validation.truth)
    )
    base = blend.prior * validation.mean.astype(np.float64)
    alphas = np.full(knn.shape[1], blend.alpha)
    first, second = np.zeros_like(alphas), np.zeros_like(alphas)
    for step in range(1, ADAM_STEPS + 1):
        mixed = alphas * knn + (1.0 - alphas) * head + base
        length = np.linalg.norm(mixed, axis=1, keepdims=True)
        unit = mixed / np.maximum(length, 1e-12)
        cosine = (unit * truth).sum(axis=1, keepdims=True)
        slopes = (truth - cosine * unit) / np.maximum(length, 1e-12) * (knn - head)
        slope = validation.weights @ slopes
        slope -= SMOOTHING / len(alphas) * (alphas - blend.alpha)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        scale = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        alphas = alphas + ADAM_RATE / step**0.5 * first / (1 - 0.9**step) / scale
        alphas = alphas.clip(0.0, 1.0)
    return replace(blend, gate=None, alpha_per_dimension=tuple(float(alpha) for alpha in alphas))


def _minimise(
    loss: Callable[[np.ndarray], float], start: np.ndarray, step: float = 0.3, rounds: int = 300
) -> np.ndarray:
    from scipy.optimize import minimize

    simplex = np.concatenate([start[None], start + step * np.eye(len(start))])
    options = {"initial_simplex": simplex, "maxiter": rounds, "xatol": 1e-4, "fatol": 1e-7}
    return np.asarray(minimize(loss, start, method="Nelder-Mead", options=options).x)
