"""Held-out queries (q, d_image) -> the cheapest search effort that reaches the wanted recall@k."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from unprompt.index.search.effort import Effort, set_effort
from unprompt.index.search.refine import KeyScores, refine
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.nearest import ROUNDING
from unprompt.index.vectors.transforms import (
    apply_transforms,
    inner_index,
    key_blocks,
    sample_rows,
    transforms,
)

QUERIES = 1000  # held-out queries that recall is measured on at most
GRAPH_EFFORTS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)  # efSearch
SCAN_NS, GATHER_NS, MAP_NS = 0.1, 1000.0, 0.01  # a byte of code; a stored key; a product mapped


@dataclass(frozen=True)
class Reference:
    """Queries with what an exact search over all keys finds, in the index' space."""

    keys: Matrix  # (n, d_image) all of them
    queries: np.ndarray  # (q, d_image)
    k: int
    rows: np.ndarray  # (q, 2k) int64, best first; -2 where a row scores below the k-th
    lowest: np.ndarray  # (q,) score of the k-th, less what float32 may be off

    @cached_property
    def kept(self) -> Matrix:
        """The keys as an index keeps them: float16."""
        if self.keys.dtype == np.float16:
            return self.keys
        return np.asarray(self.keys, dtype=np.float16)


def exact_reference(vectors: Any, keys: Matrix, queries: np.ndarray, k: int) -> Reference | None:
    """Search all keys a block at a time, after the transforms of `vectors`; None without queries.

    Rows that tie with the k-th are as good as it is: keys may repeat.
    """
    if len(queries) == 0:
        return None
    faiss, steps = load_faiss(), transforms(vectors)
    k = min(k, len(keys))
    queries = np.ascontiguousarray(queries[sample_rows(len(queries), QUERIES)], dtype=np.float32)
    asked = apply_transforms(steps, queries)
    scores = np.empty((len(asked), 0), dtype=np.float32)
    rows = np.empty((len(asked), 0), dtype=np.int64)
    for start, block in key_blocks(keys, steps):
        found, places = faiss.knn(
            asked, block, min(2 * k, len(block)), metric=faiss.METRIC_INNER_PRODUCT
        )
        scores, rows = np.hstack([scores, found]), np.hstack([rows, places + start])
        best = np.argsort(-scores, axis=1, kind="stable")[:, : 2 * k]
        scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    lowest = scores[:, k - 1] - ROUNDING
    return Reference(keys, queries, k, np.where(scores >= lowest[:, None], rows, -2), lowest)


def tune(
    vectors: Any, reference: Reference, wanted: float, refines: Sequence[int], share: float = 1.0
) -> tuple[Effort, float]:
    """The cheapest effort that reaches the wanted recall, and that recall.

    `refines` are the factors to try, `share` of the lists are probed at most. Where none reaches
    it, the greatest effort comes back with what that reaches.
    """
    k, looks = reference.k, _looks(vectors, share)
    most = max(1, *refines) * k

    @cache
    def found(look: Effort) -> np.ndarray:
        set_effort(vectors, look)
        return np.asarray(vectors.search(reference.queries, min(most, len(reference.keys)))[1])

    def enough(look: Effort, factor: int) -> bool:
        """Whether the candidates hold enough of the exact rows: exact scores find them there."""
        return _share_found(found(look)[:, : max(1, factor) * k], reference) >= wanted

    promising = []
    for factor in refines:
        first, last = 0, len(looks) - 1
        if not enough(looks[last], factor):
            continue
        while first < last:
            middle = (first + last) // 2
            first, last = (first, middle) if enough(looks[middle], factor) else (middle + 1, last)
        # one more in reserve: float16 keys and the search itself may lose a row
        promising += [replace(look, refine=factor) for look in looks[first : first + 2]]
    promising.sort(key=lambda effort: _cost_ns(vectors, effort, k))
    greatest = replace(looks[-1], refine=max(refines))
    for effort in dict.fromkeys((*promising, greatest)):
        recall = measure(vectors, reference, effort)
        if recall >= wanted:
            break
    return effort, recall


def measure(vectors: Any, reference: Reference, effort: Effort) -> float:
    """Share of the k returned rows that score as high as the exact k-th, by the real search."""
    set_effort(vectors, effort)
    steps, keys, k = transforms(vectors), reference.keys, reference.k
    candidates = min(max(1, effort.refine) * k, len(keys))
    rows = vectors.search(reference.queries, candidates)[1]
    if effort.refine:
        rows = refine(reference.queries, rows, KeyScores(reference.kept, steps), k)[1]
    scores = KeyScores(keys, steps)(reference.queries, rows)
    return float(np.mean(scores >= reference.lowest[:, None]))


def _looks(vectors: Any, share: float) -> list[Effort]:
    """How far a search can look without refinement, growing."""
    faiss = load_faiss()
    lists = faiss.try_extract_index_ivf(vectors)
    if lists is not None:
        most = max(1, int(share * lists.nlist))
        powers = [1 << place for place in range(most.bit_length())]
        probes = sorted({most, *powers, *(3 * power // 2 for power in powers)})
        return [Effort(nprobe=count) for count in probes if count <= most]
    if isinstance(inner_index(vectors), faiss.IndexHNSW):
        return [Effort(ef_search=breadth) for breadth in GRAPH_EFFORTS]
    return [Effort()]


def _share_found(candidates: np.ndarray, reference: Reference) -> float:
    """Of k wanted rows a query, how many are among the candidates."""
    hits = [
        min(reference.k, len(np.intersect1d(found, exact)))
        for found, exact in zip(candidates, reference.rows, strict=True)
    ]
    return float(np.mean(hits)) / reference.k


def _cost_ns(vectors: Any, effort: Effort, k: int) -> float:
    """About the time of a query: codes that are looked through, stored keys that are mapped."""
    lists = load_faiss().try_extract_index_ivf(vectors)
    inner = inner_index(vectors)
    cost = float(effort.ef_search or 0)
    if lists is not None and effort.nprobe:
        scanned = vectors.ntotal * effort.nprobe / lists.nlist
        cost += SCAN_NS * scanned * lists.code_size
    return cost + effort.refine * k * (GATHER_NS + MAP_NS * vectors.d * inner.d)
