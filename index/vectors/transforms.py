"""The transforms of a FAISS index: keys (n, d_image) -> (n, d) float32, as the index compares them.

Keys may be float16 and mapped into memory: they are read and widened one block at a time.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from unprompt.index.base.errors import UnpromptError
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import ChosenRows, Matrix, row_blocks


def transforms(vectors: Any) -> list[Any]:
    """The vector transforms that an index applies before it compares, in order."""
    faiss = load_faiss()
    inner = faiss.downcast_index(vectors)
    if not isinstance(inner, faiss.IndexPreTransform):
        return []
    places = range(inner.chain.size())
    return [faiss.downcast_VectorTransform(inner.chain.at(place)) for place in places]


def inner_index(vectors: Any) -> Any:
    """The index behind the transforms."""
    faiss = load_faiss()
    inner = faiss.downcast_index(vectors)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    return inner


def apply_transforms(steps: Sequence[Any], keys: np.ndarray) -> np.ndarray:
    """Keys (n, d_image) after all transforms: (n, d) float32."""
    found = np.ascontiguousarray(widen(keys))
    for step in steps:
        found = step.apply(found)
    return found


def key_blocks(keys: Matrix, steps: Sequence[Any] = ()) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the transformed keys (m, d) of each block."""
    for start, block in row_blocks(keys):
        yield start, apply_transforms(steps, block)


def sample_rows(count: int, wanted: int) -> np.ndarray:
    """At most `wanted` of `count` row numbers, evenly spaced and always the same: (m,) int64."""
    return np.linspace(0, count - 1, min(count, wanted)).astype(np.int64)


def gather_keys(keys: Matrix, rows: np.ndarray, steps: Sequence[Any]) -> np.ndarray:
    """The transformed keys of sorted rows (m,): (m, d) float32."""
    found = np.empty((len(rows), steps[-1].d_out if steps else keys.shape[1]), dtype=np.float32)
    for start, block in key_blocks(ChosenRows(keys, rows), steps):
        found[start : start + len(block)] = block
    return found


def check_keys(keys: Matrix, name: str, dim: int | None = None) -> None:
    """Raise UnpromptError naming the first row that is not a vector of `dim` finite numbers."""
    if keys.ndim != 2 or keys.shape[1] == 0 or (dim is not None and keys.shape[1] != dim):
        width = "d" if dim is None else dim
        raise UnpromptError(
            f"{name} must have the shape (rows, {width}), got {keys.shape}; all must come from "
            "the same encoder"
        )
    for start, block in row_blocks(keys):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            raise UnpromptError(
                f"{name} must be finite numbers, row {start + int(np.argmin(finite))} is not; "
                "embed its picture again (`unprompt build --retry-failed`) or leave it out"
            )
