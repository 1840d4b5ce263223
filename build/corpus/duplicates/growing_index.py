"""Near vectors among many, in bounded memory: vectors (m, d) in, candidates by number out.

An inverted file of product codes, `d / 4` bits a vector (48 bytes for 384 numbers): a query looks
into the `probe` nearest of its cells. The codes only propose; their cosines are computed again from
the vectors on disk. So no pair is ever called near that is not, but a near one may be overlooked.
"""

from typing import Any

import numpy as np

from unprompt.build.corpus.duplicates.vectors import Vectors
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.nearest import exact_cosines

POINTS_EACH = 40  # sampled to place a cell
ROUNDS = 6
SEED = 1729


def cell_count(rows: int) -> int:
    """Four times the root of the rows as a power of two; one where there are few."""
    return int(2 ** np.clip(np.round(np.log2(4.0 * np.sqrt(max(rows, 1)))), 0, 17))


class GrowingIndex:
    """Rows of `vectors` by number, added as it goes on."""

    def __init__(self, vectors: Vectors, rows: np.ndarray, probe: int):
        """Place the cells for the `rows` that may be added, by an even sample of them."""
        faiss = load_faiss()
        cells = cell_count(len(rows))
        self._vectors = vectors
        self._index: Any = faiss.index_factory(
            vectors.dim, f"IVF{cells},PQ{vectors.dim // 4}x4fs", faiss.METRIC_INNER_PRODUCT
        )
        wanted = min(len(rows), max(cells * POINTS_EACH, 10_000))
        sample = rows[np.linspace(0, len(rows) - 1, wanted).astype(np.int64)]
        self._index.cp.niter, self._index.cp.seed = ROUNDS, SEED
        self._index.cp.min_points_per_centroid = 1
        self._index.train(vectors.take(sample))
        self._index.nprobe = min(probe, cells)

    def add(self, block: np.ndarray, rows: np.ndarray) -> None:
        """Put vectors (m, d) in under their row numbers."""
        if len(block):
            self._index.add_with_ids(block, rows.astype(np.int64))

    def near(self, block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """For each vector of (m, d) up to k proposed rows and their true cosines, both (m, k).

        Where there are fewer the row is -1 and the cosine -inf.
        """
        _, found = self._index.search(block, k)
        asked, place = np.nonzero(found >= 0)
        cosines = np.full(found.shape, -np.inf)
        if len(asked):
            other = self._vectors.take(found[asked, place])
            cosines[asked, place] = exact_cosines(block[asked], other)
        return cosines, found
