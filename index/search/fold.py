"""An index' transforms as one product: scores (q, c) of keys that are never transformed themselves.

Where the transforms are linear, then unit length, then linear again, the score of a key x is
`(p . x + o) / |A x + b|`: p and o come from the query alone, the length of the transformed key is
kept beside the key. A candidate then costs d_image products instead of d_image * d.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import apply_transforms, key_blocks


class Fold(NamedTuple):
    """The transforms before unit length and after it."""

    before: Sequence[Any]  # FAISS transforms
    matrix: np.ndarray  # (d, d_image) of those before
    bias: np.ndarray  # (d,)
    after: np.ndarray  # (d_out, d)

    def lengths(self, keys: Matrix) -> np.ndarray:
        """Length of each key (n, d_image) before it is made 1: (n, 1) float32."""
        found = [np.linalg.norm(block, axis=1) for _, block in key_blocks(keys, self.before)]
        return np.maximum(np.concatenate(found), 1e-30, dtype=np.float32)[:, None]

    def project(self, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transformed queries (q, d_out) -> p (q, d_image) and o (q,)."""
        middle = asked @ self.after
        return middle @ self.matrix, middle @ self.bias


def fold(steps: Sequence[Any]) -> Fold | None:
    """None where the transforms are not of that form: with nothing to transform, among others."""
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
    turned, shift = _affine(after, steps[place].d_out)
    return None if shift.any() else Fold(before, matrix, bias, turned)


def _affine(steps: Sequence[Any], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps as A (d_out, dim) and b (d_out,): what they make of zero and of each direction."""
    shift = apply_transforms(steps, np.zeros((1, dim), dtype=np.float32))[0]
    return (apply_transforms(steps, np.eye(dim, dtype=np.float32)) - shift).T.copy(), shift
