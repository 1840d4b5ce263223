"""The transforms of an index, folded into the query: scores (q, c) without transforming any key.

If the transforms are affine, then unit length, then linear, the score of a key x is
`(p . x + o) / |A x + b|`. The query alone gives p and o; the length |A x + b| is stored per key. A
candidate then costs d_image multiplications instead of d_image * d.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.vectors.faiss_library import load_faiss
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
