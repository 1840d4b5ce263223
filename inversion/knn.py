"""Neighbours to an estimate of the prompt vector: (q, k) rows and scores -> (q, d_prompt)."""

from typing import Literal, NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.encoders import to_unit_length
from unprompt.index.errors import ConfigError
from unprompt.index.prompt_index import Neighbors, PromptIndex
from unprompt.index.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class KnnConfig:
    """How many neighbours count, and how much each.

    `softmax` weights by exp(score / temperature). `inverse_power` is the weighting of the public
    Kaggle notebooks: 1 / (distance ** power + 1e-4), distance = 1 - score.
    """

    k: int = 50
    weighting: Literal["softmax", "inverse_power"] = "softmax"
    temperature: float = 0.07
    power: float = 6.0

    def __post_init__(self) -> None:
        if self.k < 1 or self.temperature <= 0 or self.power <= 0:
            raise ConfigError(
                f"knn needs k >= 1, temperature > 0 and power > 0; got k={self.k}, "
                f"temperature={self.temperature}, power={self.power}"
            )


class KnnEstimate(NamedTuple):
    """The weighted mean of the neighbours' target vectors, and who contributed how much."""

    vectors: np.ndarray  # (q, d_prompt) unit length
    weights: np.ndarray  # (q, k) sums to one a query
    neighbors: Neighbors  # (q, k), one row a prompt


def find_prompts(index: PromptIndex, keys: np.ndarray, k: int) -> Neighbors:
    """The k nearest distinct prompts of each key: of a prompt's renders only the best counts."""
    manifest = index.manifest
    renders = -(-manifest.ntotal // max(1, manifest.prompts))
    return distinct_prompts(index.search(keys, k * renders), index.prompt_ids, k)


def distinct_prompts(neighbors: Neighbors, prompt_ids: np.ndarray, k: int) -> Neighbors:
    """Keep the best-scored row of each prompt, at most k a query, padded with -1."""
    count = len(neighbors.rows)
    scores = np.full((count, k), -np.inf, dtype=np.float32)
    rows = np.full((count, k), -1, dtype=np.int64)
    for query in range(count):
        found = neighbors.rows[query] >= 0
        candidates = neighbors.rows[query][found]
        first = np.sort(np.unique(prompt_ids[candidates], return_index=True)[1])[:k]
        rows[query, : len(first)] = candidates[first]
        scores[query, : len(first)] = neighbors.scores[query][found][first]
    return Neighbors(scores, rows)


def neighbor_weights(neighbors: Neighbors, config: KnnConfig) -> np.ndarray:
    """Weights (q, k) that sum to one a query; missing neighbours weigh nothing."""
    scores = neighbors.scores[:, : config.k].astype(np.float64)
    missing = neighbors.rows[:, : config.k] < 0
    if config.weighting == "softmax":
        best = scores.max(axis=1, keepdims=True, initial=-2.0)  # finite where none was found
        raw = np.exp((scores - best) / config.temperature)
    else:
        raw = 1.0 / (np.maximum(1.0 - scores, 0.0) ** config.power + 1e-4)
    raw[missing] = 0.0
    total = raw.sum(axis=1, keepdims=True)
    return (raw / np.where(total > 0, total, 1.0)).astype(np.float32)


def estimate_from_neighbors(
    neighbors: Neighbors, targets: np.ndarray, config: KnnConfig
) -> KnnEstimate:
    """Weighted sum of the target vectors (n, d_prompt) of distinct neighbours, unit length."""
    weights = neighbor_weights(neighbors, config)
    kept = Neighbors(neighbors.scores[:, : config.k], neighbors.rows[:, : config.k])
    gathered = np.asarray(targets[np.maximum(kept.rows, 0)], dtype=np.float32)
    vectors = to_unit_length(np.einsum("qk,qkd->qd", weights, gathered))
    return KnnEstimate(vectors, weights, kept)
