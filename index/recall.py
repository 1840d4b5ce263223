"""Held-out queries (q, d_image) -> recall@k of a filled FAISS index, its nprobe set to reach it."""

from typing import Any

import numpy as np

from unprompt.index.faiss_library import load_faiss
from unprompt.index.manifest import Recall
from unprompt.index.nearest import nearest


def tune_recall(
    vectors: Any,
    keys: np.ndarray,
    queries: np.ndarray,
    target: tuple[int, float],
) -> Recall | None:
    """Probe as few lists as reach the wanted recall; without lists, or queries, only measure.

    `target` is (k, recall). FAISS saves nprobe with the index. Without held-out queries an eighth
    of the lists is probed and None comes back: nothing was measured.
    """
    k, wanted = min(target[0], len(keys)), target[1]
    lists = load_faiss().try_extract_index_ivf(vectors)
    if len(queries) == 0:
        if lists is not None:
            lists.nprobe = max(1, lists.nlist // 8)
        return None
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    exact = _exact_rows(vectors, keys, queries, k)
    if lists is None:
        return _measure(vectors, queries, exact)
    lists.nprobe = 1
    recall = _measure(vectors, queries, exact)
    while recall.value < wanted and lists.nprobe < lists.nlist:
        lists.nprobe = min(lists.nlist, 2 * lists.nprobe)
        recall = _measure(vectors, queries, exact)
    return recall


def transforms(vectors: Any) -> list[Any]:
    """The vector transforms that an index applies before it searches."""
    faiss = load_faiss()
    inner = faiss.downcast_index(vectors)
    if not isinstance(inner, faiss.IndexPreTransform):
        return []
    places = range(inner.chain.size())
    return [faiss.downcast_VectorTransform(inner.chain.at(place)) for place in places]


def _exact_rows(vectors: Any, keys: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Rows (q, k) of an exact search over the keys, after the index' own transform."""
    for transform in transforms(vectors):
        keys, queries = transform.apply(keys), transform.apply(queries)
    return nearest(queries, keys, k)[1]


def _measure(vectors: Any, queries: np.ndarray, exact: np.ndarray) -> Recall:
    found = vectors.search(queries, exact.shape[1])[1]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True))
    return Recall(k=exact.shape[1], value=round(hits / exact.size, 4), queries=len(queries))
