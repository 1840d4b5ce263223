"""Held-out queries (q, d_image) -> the cheapest search effort that reaches the wanted recall@k."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from unprompt.index.search.effort import Effort, cost_ns, efforts_to_try, set_effort
from unprompt.index.search.refine import KeyScores, refine
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.nearest import ROUNDING
from unprompt.index.vectors.transforms import (
    apply_transforms,
    key_blocks,
    sample_rows,
    transforms,
)

MAX_QUERIES = 1000  # held-out queries that recall is measured on


@dataclass(frozen=True)
class GroundTruth:
    """Queries and their exact nearest neighbors among all keys, in the space of the index."""

    keys: Matrix  # (n, d_image)
    queries: np.ndarray  # (q, d_image) float32
    k: int
    rows: np.ndarray  # (q, 2k) int64, best first; -2 where a row scores below the k-th
    kth_scores: np.ndarray  # (q,) score of the k-th neighbor, less the float32 rounding error

    @cached_property
    def float16_keys(self) -> Matrix:
        """The keys as an index stores them."""
        if self.keys.dtype == np.float16:
            return self.keys
        return np.asarray(self.keys, dtype=np.float16)


def ground_truth(vectors: Any, keys: Matrix, queries: np.ndarray, k: int) -> GroundTruth | None:
    """Search all keys exactly, after the transforms of `vectors`; None without queries.

    Keys may repeat, so rows that tie with the k-th count as found.
    """
    if len(queries) == 0:
        return None
    faiss, steps = load_faiss(), transforms(vectors)
    k = min(k, len(keys))
    queries = np.ascontiguousarray(queries[sample_rows(len(queries), MAX_QUERIES)], np.float32)
    transformed = apply_transforms(steps, queries)
    scores = np.empty((len(queries), 0), dtype=np.float32)
    rows = np.empty((len(queries), 0), dtype=np.int64)
    for start, block in key_blocks(keys, steps):
        block_scores, block_rows = faiss.knn(
            transformed, block, min(2 * k, len(block)), metric=faiss.METRIC_INNER_PRODUCT
        )
        scores, rows = np.hstack([scores, block_scores]), np.hstack([rows, block_rows + start])
        best = np.argsort(-scores, axis=1, kind="stable")[:, : 2 * k]
        scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    kth_scores = scores[:, k - 1] - ROUNDING
    rows = np.where(scores >= kth_scores[:, None], rows, -2)
    return GroundTruth(keys, queries, k, rows, kth_scores)


def tune(
    vectors: Any, truth: GroundTruth, wanted: float, refines: Sequence[int], max_probed: float = 1.0
) -> tuple[Effort, float]:
    """The cheapest effort that reaches the recall `wanted`, and the recall it reaches.

    `refines` are the refinement factors to try; a share of at most `max_probed` of the lists is
    probed. Where no effort reaches the recall, returns the greatest one.
    """
    k, efforts = truth.k, efforts_to_try(vectors, max_probed)
    most = max(1, *refines) * k

    @cache
    def search(effort: Effort) -> np.ndarray:
        set_effort(vectors, effort)
        return np.asarray(vectors.search(truth.queries, min(most, len(truth.keys)))[1])

    def suffices(effort: Effort, factor: int) -> bool:
        """Whether the candidates hold enough exact neighbors, which rescoring would find."""
        return _candidate_recall(search(effort)[:, : max(1, factor) * k], truth) >= wanted

    promising = []
    for factor in refines:
        first, last = 0, len(efforts) - 1
        if not suffices(efforts[last], factor):
            continue
        while first < last:
            middle = (first + last) // 2
            first, last = (
                (first, middle) if suffices(efforts[middle], factor) else (middle + 1, last)
            )
        # and the next greater one: float16 keys and the search itself may lose a row
        promising += [replace(effort, refine=factor) for effort in efforts[first : first + 2]]
    promising.sort(key=lambda effort: cost_ns(vectors, effort, k))
    greatest = replace(efforts[-1], refine=max(refines))
    for effort in dict.fromkeys((*promising, greatest)):
        recall = measure_recall(vectors, truth, effort)
        if recall >= wanted:
            break
    return effort, recall


def measure_recall(vectors: Any, truth: GroundTruth, effort: Effort) -> float:
    """Share of the k returned rows that score as high as the exact k-th, by the real search."""
    set_effort(vectors, effort)
    steps, keys, k = transforms(vectors), truth.keys, truth.k
    candidates = min(max(1, effort.refine) * k, len(keys))
    rows = vectors.search(truth.queries, candidates)[1]
    if effort.refine:
        rows = refine(truth.queries, rows, KeyScores(truth.float16_keys, steps), k)[1]
    scores = KeyScores(keys, steps)(truth.queries, rows)
    return float(np.mean(scores >= truth.kth_scores[:, None]))


def _candidate_recall(candidates: np.ndarray, truth: GroundTruth) -> float:
    """Share of the k exact neighbors per query that are among its candidates (q, c)."""
    hits = [
        min(truth.k, len(np.intersect1d(found, exact)))
        for found, exact in zip(candidates, truth.rows, strict=True)
    ]
    return float(np.mean(hits)) / truth.k
