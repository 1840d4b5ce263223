"""Candidates (q, c) of an index -> the best k of them by exact scores: scores and rows (q, k).

A coarse code finds the right rows but not their order. The stored keys, of which only those of the
candidates are read, put them right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from unprompt.index.search.fold import Fold, fold
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import apply_transforms


@dataclass(frozen=True)
class KeyScores:
    """Inner products with stored keys, in the space that the index compares in."""

    keys: Matrix  # (n, d_image)
    steps: Sequence[Any]  # the index' transforms
    lengths: Matrix | None = None  # (n, 1) of `Fold.lengths`, where they are kept

    @cached_property
    def _fold(self) -> Fold | None:
        return None if self.lengths is None else fold(self.steps)

    def __call__(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Scores (q, c) float32 of queries and the keys of their rows; -inf where a row is -1.

        One query at a time: its keys then stay in the processor's cache until they are multiplied.
        """
        asked = apply_transforms(self.steps, queries)
        wanted, scores = np.maximum(rows, 0), np.empty(rows.shape, dtype=np.float32)
        if self._fold is None or self.lengths is None:
            for query, own, out in zip(asked, wanted, scores, strict=True):
                np.matmul(apply_transforms(self.steps, self.keys[own]), query, out=out)
        else:
            directions, offsets = self._fold.project(asked)
            for query, own, out in zip(directions, wanted, scores, strict=True):
                np.matmul(widen(self.keys[own]), query, out=out)
            scores = (scores + offsets[:, None]) / self.lengths[wanted][..., 0]
        return np.where(rows < 0, np.float32(-np.inf), scores)


def refine(
    queries: np.ndarray, candidates: np.ndarray, scores_of: KeyScores, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k best candidates (q, c) of each query (q, d_image) by exact scores.

    Candidates that are -1 or repeat do not count; the rest is row -1 with score -inf. Rows of the
    same score come in the order of their numbers.
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
    """Each row once a query, sorted, what is over as -1."""
    rows = np.sort(candidates.astype(np.int64), axis=1)
    repeats = np.zeros(rows.shape, dtype=bool)
    repeats[:, 1:] = rows[:, 1:] == rows[:, :-1]
    rows[repeats] = -1
    return rows
