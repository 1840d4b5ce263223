"""Neighbors -> an estimate of the prompt vector: (q, k) rows and scores -> (q, d_prompt)."""

from typing import Literal, NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import Neighbors, PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import Matrix
from unprompt.inversion.estimate.find_prompts import find_prompts

RIDGE_BLOCK = 64  # queries whose (k, k) matrices are in memory at a time, up to k 200
MOST_NEIGHBORS = 2048  # local ridge solves a (k, k) system for every query


@dataclass(frozen=True, config=STRICT)
class KnnConfig:
    """The number of neighbors and their weighting.

    `softmax` weights by exp(score / temperature). `inverse_power` is the weighting of the public
    Kaggle notebooks: 1 / (distance ** power + 1e-4), distance = 1 - score. `local_ridge` fits, for
    each query, a ridge regression from keys to targets on its neighbors; `penalty` is the
    regularization.
    """

    k: int = 50
    weighting: Literal["softmax", "inverse_power", "local_ridge"] = "softmax"
    temperature: float = 0.07
    power: float = 6.0
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.k > MOST_NEIGHBORS:
            raise ConfigError(f"knn takes k from 1 to {MOST_NEIGHBORS}, got {self.k}")
        if self.k < 1 or min(self.temperature, self.power, self.penalty) <= 0:
            raise ConfigError(
                f"knn needs k >= 1, temperature > 0, power > 0 and penalty > 0; got k={self.k}, "
                f"temperature={self.temperature}, power={self.power}, penalty={self.penalty}"
            )


class KnnEstimate(NamedTuple):
    """The weighted mean of the neighbors' target vectors, and the weights."""

    vectors: np.ndarray  # (q, d_prompt) unit length
    weights: np.ndarray  # (q, k) sum to one per query; local ridge gives some negative weights
    neighbors: Neighbors  # (q, k), one row per prompt
    concentration: np.ndarray  # (q,) length of the weighted mean target; 1 if all targets agree


def neighbor_weights(
    neighbors: Neighbors, config: KnnConfig, keys: np.ndarray | None = None
) -> np.ndarray:
    """Weights (q, k) that sum to one per query; missing neighbors get weight zero.

    `keys` (q, k, d) are the keys of the neighbors; only local ridge needs them.
    """
    scores = neighbors.scores[:, : config.k].astype(np.float64)
    missing = neighbors.rows[:, : config.k] < 0
    if config.weighting == "local_ridge":
        if keys is None:
            raise ConfigError("local ridge needs the neighbors' keys")
        return _ridge_weights(scores, missing, keys[:, : config.k], config.penalty)
    if config.weighting == "softmax":
        best = scores.max(axis=1, keepdims=True, initial=-2.0)  # finite without neighbors
        raw = np.exp((scores - best) / config.temperature)
    else:
        raw = 1.0 / (np.maximum(1.0 - scores, 0.0) ** config.power + 1e-4)
    raw[missing] = 0.0
    total = raw.sum(axis=1, keepdims=True)
    return (raw / np.where(total > 0, total, 1.0)).astype(np.float32)


def _ridge_weights(
    scores: np.ndarray, missing: np.ndarray, keys: np.ndarray, penalty: float
) -> np.ndarray:
    """Weights whose weighted sum of targets is a ridge regression with intercept, at the query.

    Dual form: with K the centered Gram matrix of the neighbors and s the centered scores of the
    query, the weights are 1/k + (K + penalty I)^-1 s. They sum to one.
    """
    blocks = [np.zeros((0, scores.shape[1]), dtype=np.float32)]
    at_once = max(1, min(RIDGE_BLOCK, RIDGE_BLOCK * 200**2 // scores.shape[1] ** 2))
    for start in range(0, len(scores), at_once):
        part = slice(start, start + at_once)
        blocks.append(_ridge_block(scores[part], missing[part], keys[part], penalty))
    return np.concatenate(blocks)


def _ridge_block(
    scores: np.ndarray, missing: np.ndarray, keys: np.ndarray, penalty: float
) -> np.ndarray:
    keys = np.where(missing[..., None], 0.0, keys.astype(np.float64))
    present = (~missing).astype(np.float64)
    count = np.maximum(present.sum(axis=1), 1.0)[:, None]
    even = present / count
    gram = keys @ keys.transpose(0, 2, 1)
    # P = I - 1 1'/k over the neighbors that exist
    centering = present[:, :, None] * (np.eye(keys.shape[1]) - even[:, None, :])
    centered = centering @ gram @ centering.transpose(0, 2, 1)
    seen = np.where(missing, 0.0, scores)[..., None] - gram @ even[..., None]
    solved = np.linalg.solve(centered + penalty * np.eye(keys.shape[1]), centering @ seen)
    weights = even + (centering.transpose(0, 2, 1) @ solved)[..., 0]
    return weights.astype(np.float32)


def estimate_from_neighbors(
    neighbors: Neighbors,
    targets: Matrix,
    config: KnnConfig,
    keys: np.ndarray | None = None,
) -> KnnEstimate:
    """Weighted sum of the targets (n, d_prompt) of distinct neighbors, at unit length."""
    weights = neighbor_weights(neighbors, config, keys)
    kept = Neighbors(neighbors.scores[:, : config.k], neighbors.rows[:, : config.k])
    mean = np.empty((len(weights), targets.shape[1]), dtype=np.float32)
    # one query at a time, so that its targets stay in the processor's cache
    for own, rows, out in zip(weights, np.maximum(kept.rows, 0), mean, strict=True):
        np.matmul(own, widen(targets[rows]), out=out)
    return KnnEstimate(to_unit_length(mean), weights, kept, np.linalg.norm(mean, axis=1))


def estimate(
    index: PromptIndex, keys: np.ndarray, config: KnnConfig, neighbors: Neighbors | None = None
) -> KnnEstimate:
    """Keys (q, d_image) -> the kNN estimate of their prompts.

    `neighbors` are those of an earlier search for the same keys and k; without them it searches.
    """
    if neighbors is None:
        neighbors = find_prompts(index, keys, config.k)
    own = index.keys_of(neighbors.rows) if config.weighting == "local_ridge" else None
    return estimate_from_neighbors(neighbors, index.targets, config, own)
