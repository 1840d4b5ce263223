"""Vectors (n, d) -> groups (n,): the connected components of the graph of near pairs.

FOLDER/00000.npy    near pairs (p, 2) of the first ROWS_EACH rows with any rows, and so on

Up to `exact_rows` rows all pairs are found. Above, each row is compared with `NEIGHBORS` candidates
of an approximate index. Long chains are still found, but a single pair may be missed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unprompt.build.corpus.duplicates.growing_index import GrowingIndex
from unprompt.build.corpus.duplicates.vectors import Vectors, blocks
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.vectors.nearest import near_pairs

ROWS_EACH = 16_384  # of one file: the most that a killed run computes again
BLOCK = 4096
NEIGHBORS = 32
EDGES_AT_ONCE = 2_000_000
# vectors (m, d) -> positions (p,) in them, and the near rows (p,)
PairFinder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def group_rows(
    folder: Path,
    vectors: Vectors,
    threshold: float,
    exact_rows: int,
    probe: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """The lowest row of each row's group, (n,) int64; finished files in `folder` are read."""
    n = len(vectors)
    paths = [folder / f"{shard:05d}.npy" for shard in range(-(-n // ROWS_EACH))]
    left = [shard for shard, path in enumerate(paths) if not path.is_file()]
    if left:
        find = (
            _all_pairs(vectors, threshold)
            if n <= exact_rows
            else _indexed_pairs(vectors, threshold, probe)
        )
        done = len(paths) - len(left)
        for shard in progress.track(left, "group", len(paths), done):
            rows = np.arange(shard * ROWS_EACH, min(n, (shard + 1) * ROWS_EACH))
            with write_atomically(paths[shard]) as temporary, temporary.open("wb") as handle:
                np.save(handle, _forest(vectors, rows, find))
    return _components(n, paths)


def _forest(vectors: Vectors, rows: np.ndarray, find: PairFinder) -> np.ndarray:
    """Pairs (p, 2) uint32 with the same connected components as all near pairs of `rows`."""
    forest = np.empty((0, 2), np.uint32)
    for start, block in blocks(vectors, rows, BLOCK):
        span = rows[start : start + len(block)]
        at, others = find(block)
        apart = span[at] != others
        pairs = np.stack([span[at][apart], others[apart]], axis=1).astype(np.uint32)
        forest = _spanning(np.concatenate([forest, pairs]))
    return forest


def _all_pairs(vectors: Vectors, threshold: float) -> PairFinder:
    """Find every near pair; all vectors are in memory."""
    whole = vectors.take(np.arange(len(vectors)))

    def find(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at, others, _ = near_pairs(block, whole, threshold)
        return at, others

    return find


def _indexed_pairs(vectors: Vectors, threshold: float, probe: int) -> PairFinder:
    """Find near pairs among the candidates of an index of all rows."""
    every = np.arange(len(vectors))
    index = GrowingIndex(vectors, every, probe)
    for start, block in blocks(vectors, every, BLOCK):
        index.add(block, every[start : start + len(block)])

    def find(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cosines, near = index.near(block, NEIGHBORS)
        at, place = np.nonzero(cosines >= threshold)
        return at, near[at, place]

    return find


def _spanning(pairs: np.ndarray) -> np.ndarray:
    """Pairs (p, 2) with the same components: each row with the lowest row of its component."""
    rows, places = np.unique(pairs, return_inverse=True)
    lowest = rows[_lowest_of(len(rows), places.reshape(-1, 2))]
    apart = rows != lowest
    return np.stack([rows[apart], lowest[apart]], axis=1)


def _components(n: int, paths: Sequence[Path]) -> np.ndarray:
    """The groups (n,) that the pairs of all files form."""
    groups = np.arange(n)
    waiting: list[np.ndarray] = []
    for place, path in enumerate(paths):
        waiting.append(np.load(path).astype(np.int64))
        if place + 1 == len(paths) or sum(map(len, waiting)) > EDGES_AT_ONCE:
            known = np.stack([np.arange(n), groups], axis=1)
            groups = _lowest_of(n, np.concatenate([known, *waiting]))
            waiting = []
    return groups


def _lowest_of(n: int, pairs: np.ndarray) -> np.ndarray:
    """The lowest row (n,) of each row's component in the graph of pairs (p, 2)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    count, labels = connected_components(graph, directed=False)
    lowest = np.full(count, n, np.int64)
    np.minimum.at(lowest, labels, np.arange(n))
    return lowest[labels]
