"""Features (n, d_image), targets (n, d_prompt) and weights (n,) -> a kernel regression.

Ridge regression in the space of a Gaussian kernel on the leading directions of the features, with
landmarks drawn among the rows. In each round the metric is then changed: the mean outer product of
the fit's own gradient says along which directions the answer changes (recursive feature machines,
Radhakrishnan et al. 2024), and the regression is fitted again in that metric.
"""

from typing import NamedTuple

import numpy as np

from unprompt.inversion.estimate.kernel_head import KernelWeights, gaussian
from unprompt.inversion.fit.pairs.config import KernelConfig

JITTER = 1e-4  # added to the diagonal of the normal equations


class TrainingRows(NamedTuple):
    """What a regression learns from."""

    features: np.ndarray  # (n, d_image)
    targets: np.ndarray  # (n, d_prompt)
    weights: np.ndarray  # (n,)


class Basis(NamedTuple):
    """Leading directions of standardized features."""

    center: np.ndarray  # (d_image,)
    projection: np.ndarray  # (d_image, r); applies the scale as well


def find_basis(features: np.ndarray, weights: np.ndarray, components: int) -> Basis:
    """Standardize features (n, d_image) by their weighted moments and find the main directions.

    The scale is that of a mean squared length of 1 over all directions, also those left out.
    """
    share = (weights / weights.sum())[:, None].astype(np.float64)
    center = (share * features).sum(axis=0)
    spread = np.sqrt((share * (features - center) ** 2).sum(axis=0))
    scale = 1.0 / (np.maximum(spread, 1e-6) * np.sqrt(features.shape[1]))
    scaled = (features - center) * scale
    _, directions = np.linalg.eigh((scaled * share).T @ scaled)
    chosen = directions[:, ::-1][:, : min(components, directions.shape[1])]
    return Basis(center.astype(np.float32), (chosen * scale[:, None]).astype(np.float32))


def fit_kernel(
    rows: TrainingRows, basis: Basis, config: KernelConfig, seed: int = 0
) -> KernelWeights:
    """Fit on rows; `basis` may come from more rows than these. Deterministic by `seed`."""
    generator = np.random.default_rng(seed)
    weights = rows.weights.astype(np.float32)
    bias = (weights / weights.sum()) @ rows.targets
    chances = np.sqrt(weights.astype(np.float64))
    count = min(config.landmarks, len(weights))
    chosen = generator.choice(len(weights), count, replace=False, p=chances / chances.sum())
    projection = basis.projection
    reduced = (np.asarray(rows.features, np.float32) - basis.center) @ projection
    length = float(weights @ (reduced**2).sum(axis=1))
    for turn in range(config.rounds + 1):
        scale = np.float32(np.sqrt(config.gamma))
        places = reduced * scale
        dual = _solve(places, chosen, rows.targets - bias, weights, config.penalty)
        if turn == config.rounds:
            break
        seen = generator.choice(len(weights), config.gradients, p=_shares(weights))
        turned = _metric(places, places[chosen], dual, seen, config.sharpness)
        moved = reduced @ turned
        turned *= np.float32(np.sqrt(length / float(weights @ (moved**2).sum(axis=1))))
        reduced, projection = reduced @ turned, projection @ turned
    return KernelWeights(
        basis.center, projection * scale, places[chosen], dual, bias.astype(np.float32)
    )


def _shares(weights: np.ndarray) -> np.ndarray:
    wide = weights.astype(np.float64)
    return np.asarray(wide / wide.sum())


def _solve(
    places: np.ndarray,
    chosen: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    penalty: float,
) -> np.ndarray:
    """Weighted least squares on the kernel columns, with the norm of the function as penalty."""
    columns = gaussian(places, places[chosen])
    weighted = columns * weights[:, None]
    gram = (weighted.T @ columns).astype(np.float64) + penalty * columns[chosen]
    gram.flat[:: len(gram) + 1] += JITTER
    return np.asarray(np.linalg.solve(gram, weighted.T @ targets), dtype=np.float32)


def _metric(
    places: np.ndarray,
    landmarks: np.ndarray,
    dual: np.ndarray,
    seen: np.ndarray,
    sharpness: float,
) -> np.ndarray:
    """A matrix (r, r) that stretches the directions along which the answer changes."""
    total = np.zeros((places.shape[1], places.shape[1]))
    kernel = gaussian(places[seen], landmarks)
    for place, similar in zip(places[seen], kernel, strict=True):
        pulled = similar[:, None] * dual  # (m, d_prompt)
        gradient = np.outer(place, pulled.sum(axis=0)) - landmarks.T @ pulled
        total += gradient @ gradient.T
    values, directions = np.linalg.eigh(total / len(seen))
    stretched = directions * np.maximum(values, 0.0) ** sharpness
    return np.asarray(stretched, dtype=np.float32)
