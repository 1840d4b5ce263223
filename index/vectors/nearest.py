"""Exact cosine search with FAISS: queries (q, d) against vectors (n, d), both of unit length.

FAISS computes in float32, where a cosine changes by about 1e-7 with the size of a block. Whether a
pair reaches a threshold must not depend on that, so cosines near it are computed again in float64.
"""

import numpy as np

from unprompt.index.base.errors import UnpromptError
from unprompt.index.vectors.faiss_library import load_faiss

QUERY_BLOCK = 4096
ROUNDING = 1e-5  # maximum error of a float32 inner product of unit vectors
LENGTH_TOLERANCE = 1e-2  # vectors stored as float16 are unit length to about 1e-3


def unit_rows(vectors: np.ndarray, name: str, dim: int | None = None) -> np.ndarray:
    """`vectors` (n, d) as C-contiguous float32; raises UnpromptError if not finite unit vectors."""
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise UnpromptError(f"{name} must have the shape (rows, d), got {vectors.shape}")
    if dim is not None and vectors.shape[1] != dim:
        raise UnpromptError(
            f"{name} have {vectors.shape[1]} dimensions where {dim} were wanted; "
            "both sides must come from the same encoder"
        )
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    # NaN compares as false, and so counts as wrong
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= LENGTH_TOLERANCE))
    if wrong.size:
        raise UnpromptError(
            f"{name} must be unit length: {wrong.size} of {len(rows)} are not, the first is row "
            f"{wrong[0]} with length {lengths[wrong[0]]:.4g}; divide each row by its length"
        )
    return rows


def exact_cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosines (n,) float64 of row i of `left` (n, d) and row i of `right` (n, d)."""
    return np.einsum("ij,ij->i", left, right, dtype=np.float64)


def nearest(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest cosines per query: scores (q, k) float32, descending, and rows (q, k) int64.

    Row -1 and score -inf where there are fewer than k vectors.
    """
    if k < 1:
        raise UnpromptError(f"k must be 1 or more, got {k}")
    base = unit_rows(vectors, "vectors")
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    found = min(k, len(base))
    faiss = load_faiss()
    for start in range(0, len(queries), QUERY_BLOCK):
        block = unit_rows(queries[start : start + QUERY_BLOCK], "queries", base.shape[1])
        if found:
            span = slice(start, start + len(block))
            scores[span, :found], rows[span, :found] = faiss.knn(
                block, base, found, metric=faiss.METRIC_INNER_PRODUCT
            )
    return scores, rows


def near_pairs(
    queries: np.ndarray, vectors: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs with cosine >= threshold: query rows, vector rows (int64), cosines (float64).

    Three arrays (p,), sorted by query row, then by vector row.
    """
    base = unit_rows(vectors, "vectors")
    faiss = load_faiss()
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(base)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(queries), QUERY_BLOCK):
        block = unit_rows(queries[start : start + QUERY_BLOCK], "queries", base.shape[1])
        limits, scores, found = index.range_search(block, threshold - ROUNDING)
        counts = np.diff(limits.astype(np.int64))
        in_block = np.repeat(np.arange(len(block), dtype=np.int64), counts)
        cosines = scores.astype(np.float64)
        close = np.flatnonzero(np.abs(cosines - threshold) <= ROUNDING)
        cosines[close] = exact_cosines(block[in_block[close]], base[found[close]])
        near = np.flatnonzero(cosines >= threshold)
        near = near[np.lexsort((found[near], in_block[near]))]
        parts.append((in_block[near] + start, found[near].astype(np.int64), cosines[near]))
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
    query_rows, vector_rows, cosines = zip(*parts, strict=True)
    return np.concatenate(query_rows), np.concatenate(vector_rows), np.concatenate(cosines)


def nearest_over(
    queries: np.ndarray, vectors: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest vector per query with cosine >= threshold: cosines (q,) float64, rows (q,) int64.

    Row -1 and cosine -inf where there is none. Unlike in `near_pairs`, memory does not grow with
    the number of near pairs.
    """
    scores, found = nearest(queries, vectors, 1)
    cosines, rows = scores[:, 0].astype(np.float64), found[:, 0]
    close = np.flatnonzero(np.abs(cosines - threshold) <= ROUNDING)
    far = cosines < threshold
    cosines[far], rows[far] = -np.inf, -1
    if close.size:
        cosines[close], rows[close] = -np.inf, -1
        # of several vectors with the same cosine, the first one
        at, near, exact = near_pairs(queries[close], vectors, threshold)
        order = np.lexsort((near, -exact, at))
        first = order[np.unique(at[order], return_index=True)[1]]
        cosines[close[at[first]]], rows[close[at[first]]] = exact[first], near[first]
    return cosines, rows
