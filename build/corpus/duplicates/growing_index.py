"""Vectors (m, d) -> near rows of a large set with exact cosines, in bounded memory.

The index is an inverted file with product quantization, `d / 8` bytes per vector (48 bytes for 384
dimensions). A query searches the `probe` nearest cells. The codes only select candidates; their
cosines are computed from the vectors on disk. So no far pair is reported, but a near pair may be
missed.
"""

from typing import Any

import numpy as np

from unprompt.build.corpus.duplicates.vectors import Vectors
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.nearest import exact_cosines

SAMPLES_PER_CELL = 40
ROUNDS = 6  # of k-means
SEED = 1729


def cell_count(rows: int) -> int:
    """Four times the square root of the number of rows, rounded to a power of two up to 2 ** 17."""
    return int(2 ** np.clip(np.round(np.log2(4.0 * np.sqrt(max(rows, 1)))), 0, 17))


class GrowingIndex:
    """An index of rows of `vectors` that grows while it is searched."""

    def __init__(self, vectors: Vectors, rows: np.ndarray, probe: int):
        """Train on an even sample of `rows` (n,), all rows that may be added later."""
        faiss = load_faiss()
        cells = cell_count(len(rows))
        self._vectors = vectors
        self._index: Any = faiss.index_factory(
            vectors.dim, f"IVF{cells},PQ{vectors.dim // 4}x4fs", faiss.METRIC_INNER_PRODUCT
        )
        wanted = min(len(rows), max(cells * SAMPLES_PER_CELL, 10_000))
        sample = rows[np.linspace(0, len(rows) - 1, wanted).astype(np.int64)]
        self._index.cp.niter, self._index.cp.seed = ROUNDS, SEED
        self._index.cp.min_points_per_centroid = 1
        self._index.train(vectors.take(sample))
        self._index.nprobe = min(probe, cells)

    def add(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Add vectors (m, d) with their row numbers (m,)."""
        if len(block):
            self._index.add_with_ids(block, rows.astype(np.int64))

    def near(self, block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact cosines (m, k) float64 and rows (m, k) of up to k candidates per vector of (m, d).

        Missing candidates have the row -1 and the cosine -inf. The order is the index's.
        """
        _, found = self._index.search(block, k)
        queries, columns = np.nonzero(found >= 0)
        cosines = np.full(found.shape, -np.inf)
        if len(queries):
            others = self._vectors.take(found[queries, columns])
            cosines[queries, columns] = exact_cosines(block[queries], others)
        return cosines, found
