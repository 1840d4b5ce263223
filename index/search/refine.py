"""Candidates (q, c) of an index -> the best k by exact scores: scores and rows (q, k).

Compressed codes find the right rows but not their order. Scores from the stored keys, of which only
those of the candidates are read, restore it.

Scoring does not transform the keys where the transforms are affine, then unit length, then linear.
The score of a key x is then `(p . x + o) / |A x + b|`: the query alone gives p and o, the length
|A x + b| is stored per key. A candidate costs d_image multiplications instead of d_image * d.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.threads.shared_property import shared_property
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import apply_transforms, key_blocks


class FoldedTransforms(NamedTuple):
    """The transforms before the unit length as A x + b, and those after it as one matrix."""

    before: Sequence[Any]  # FAISS transforms
    matrix: np.ndarray  # A (d, d_image)
    bias: np.ndarray  # b (d,)
    after: np.ndarray  # (d_out, d)

    def lengths(self, keys: Matrix) -> np.ndarray:
        """The lengths |A x + b| of keys (n, d_image): (n, 1) float32."""
        found = [np.linalg.norm(block, axis=1) for _, block in key_blocks(keys, self.before)]
        return np.maximum(np.concatenate(found), 1e-30, dtype=np.float32)[:, None]

    def project(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transformed queries (q, d_out) -> p (q, d_image) and o (q,)."""
        middle = queries @ self.after
        return middle @ self.matrix, middle @ self.bias


def fold_transforms(steps: Sequence[Any]) -> FoldedTransforms | None:
    """None where the transforms do not have that form, or there are none."""
    faiss = load_faiss()
    units = [isinstance(step, faiss.NormalizationTransform) for step in steps]
    if sum(units) != 1:
        return None
    place = units.index(True)
    before, after = steps[:place], steps[place + 1 :]
    linear = (faiss.LinearTransform, faiss.CenteringTransform)
    if not before or steps[place].norm != 2.0:
        return None
    if not all(isinstance(step, linear) for step in (*before, *after)):
        return None
    matrix, bias = _affine(before, before[0].d_in)
    after_matrix, after_bias = _affine(after, steps[place].d_out)
    return None if after_bias.any() else FoldedTransforms(before, matrix, bias, after_matrix)


def _affine(steps: Sequence[Any], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps as A (d_out, dim) and b (d_out,), from what they make of zero and each unit vector."""
    bias = apply_transforms(steps, np.zeros((1, dim), dtype=np.float32))[0]
    return (apply_transforms(steps, np.eye(dim, dtype=np.float32)) - bias).T.copy(), bias


@dataclass(frozen=True)
class KeyScores:
    """Inner products of queries and stored keys, in the space of the index."""

    keys: Matrix  # (n, d_image)
    steps: Sequence[Any]  # transforms of the index
    lengths: Matrix | None = None  # (n, 1) of `FoldedTransforms.lengths`, where they are stored

    @shared_property
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
