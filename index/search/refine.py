"""Candidates (q, c) of an index -> the best k by exact scores: scores and rows (q, k).

Compressed codes find the right rows but not their order. Scores from the stored keys, of which only
those of the candidates are read, restore it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from unprompt.index.search.fold import FoldedTransforms, fold_transforms
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import apply_transforms


@dataclass(frozen=True)
class KeyScores:
    """Inner products of queries and stored keys, in the space of the index."""

    keys: Matrix  # (n, d_image)
    steps: Sequence[Any]  # transforms of the index
    lengths: Matrix | None = None  # (n, 1) of `FoldedTransforms.lengths`, where they are stored

    @cached_property
    def _folded(self) -> FoldedTransforms | None:
        return None if self.lengths is None else fold_transforms(self.steps)

    def __call__(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Scores (q, c) float32 of queries (q, d_image) and their rows (q, c); -inf for row -1.

        Works on one query at a time: its keys then stay in the processor's cache.
        """
        queries = apply_transforms(self.steps, queries)
        present, scores = np.maximum(rows, 0), np.empty(rows.shape, dtype=np.float32)
        if self._folded is None or self.lengths is None:
            for query, own, out in zip(queries, present, scores, strict=True):
                np.matmul(apply_transforms(self.steps, self.keys[own]), query, out=out)
        else:
            directions, offsets = self._folded.project(queries)
            for query, own, out in zip(directions, present, scores, strict=True):
                np.matmul(widen(self.keys[own]), query, out=out)
            scores = (scores + offsets[:, None]) / self.lengths[present][..., 0]
        return np.where(rows < 0, np.float32(-np.inf), scores)


def refine(
    queries: np.ndarray, candidates: np.ndarray, scores_of: KeyScores, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best candidates (q, c) of each query (q, d_image) by exact scores.

    Candidates that are -1 or repeated do not count. Missing results have row -1 and score -inf.
    Rows with equal scores come in ascending order.
    """
    rows = _without_repeats(candidates)
    scores = scores_of(queries, rows)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    missing = ((0, 0), (0, k - rows.shape[1]))
    return (
        np.pad(scores, missing, constant_values=-np.inf),
        np.pad(rows, missing, constant_values=-1),
    )


def _without_repeats(candidates: np.ndarray) -> np.ndarray:
    """The candidates of each query sorted, repeated ones replaced by -1."""
    rows = np.sort(candidates.astype(np.int64), axis=1)
    repeats = np.zeros(rows.shape, dtype=bool)
    repeats[:, 1:] = rows[:, 1:] == rows[:, :-1]
    rows[repeats] = -1
    return rows
