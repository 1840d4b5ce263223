"""Candidates (q, c) of an index -> the best k of them by exact scores: scores and rows (q, k).

A coarse code finds the right rows but not their order. The stored keys, of which only those of the
candidates are read, put them right.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unprompt.index.segments import Matrix
from unprompt.index.transforms import apply_transforms


def refine(
    queries: np.ndarray, candidates: np.ndarray, keys: Matrix, steps: Sequence[Any], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best candidates of each query (q, d_image) by inner product after `steps`.

    Candidates that are -1 or repeat do not count; the rest is row -1 with score -inf. Rows of the
    same score come in the order of their numbers.
    """
    rows = _without_repeats(candidates)
    scores = exact_scores(queries, rows, keys, steps)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    missing = ((0, 0), (0, k - rows.shape[1]))
    return (
        np.pad(scores, missing, constant_values=-np.inf),
        np.pad(rows, missing, constant_values=-1),
    )


def exact_scores(
    queries: np.ndarray, rows: np.ndarray, keys: Matrix, steps: Sequence[Any]
) -> np.ndarray:
    """Inner products (q, c) float32 of queries and the keys of their rows; -inf where a row is -1.

    One query at a time: its keys then stay in the processor's cache until they are multiplied.
    """
    asked = apply_transforms(steps, queries)
    scores = np.empty(rows.shape, dtype=np.float32)
    for place, wanted in enumerate(np.maximum(rows, 0)):
        np.matmul(apply_transforms(steps, keys[wanted]), asked[place], out=scores[place])
    return np.where(rows < 0, np.float32(-np.inf), scores)


def _without_repeats(candidates: np.ndarray) -> np.ndarray:
    """Each row once a query, sorted, what is over as -1."""
    rows = np.sort(candidates.astype(np.int64), axis=1)
    repeats = np.zeros(rows.shape, dtype=bool)
    repeats[:, 1:] = rows[:, 1:] == rows[:, :-1]
    rows[repeats] = -1
    return rows
