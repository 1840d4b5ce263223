"""Vectors (n, d) -> groups (n,): rows that near pairs join, directly or by way of others.

FOLDER/00000.npy    near pairs (p, 2) of rows 0 to ROWS_EACH with any rows, then of the next as many

Up to `exact_rows` rows all pairs are found. Above, each row meets its `NEIGHBORS` nearest that an
index proposes: chains through many rows still join, but a lone pair may be overlooked.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unprompt.build.corpus.duplicates.growing_index import GrowingIndex
from unprompt.build.corpus.duplicates.vectors import Vectors, blocks
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.vectors.nearest import near_pairs

ROWS_EACH = 16_384  # lost at most when a run is killed
BLOCK = 4096
NEIGHBORS = 32
EDGES_AT_ONCE = 2_000_000
# vectors (m, d) -> places in them, and rows that are near to those
PairFinder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def group_rows(
    folder: Path,
    vectors: Vectors,
    threshold: float,
    exact_rows: int,
    probe: int,
    progress: Progress = SILENT,
) -> np.ndarray:
    """The lowest row of each row's group, (n,) int64."""
    n = len(vectors)
    paths = [folder / f"{shard:05d}.npy" for shard in range(-(-n // ROWS_EACH))]
    left = [shard for shard, path in enumerate(paths) if not path.is_file()]
    if left:
        find = (
            _all_pairs(vectors, threshold)
            if n <= exact_rows
            else _proposed_pairs(vectors, threshold, probe)
        )
        done = len(paths) - len(left)
        for shard in progress.track(left, "group", len(paths), done):
            rows = np.arange(shard * ROWS_EACH, min(n, (shard + 1) * ROWS_EACH))
            with write_atomically(paths[shard]) as temporary, temporary.open("wb") as handle:
                np.save(handle, _forest(vectors, rows, find))
    return _joined(n, paths)


def _forest(vectors: Vectors, rows: np.ndarray, find: PairFinder) -> np.ndarray:
    """Pairs (p, 2) uint32 that join the same rows as all near pairs of `rows` with any do."""
    forest = np.empty((0, 2), np.uint32)
    for start, block in blocks(vectors, rows, BLOCK):
        span = rows[start : start + len(block)]
        at, others = find(block)
        apart = span[at] != others
        pairs = np.stack([span[at][apart], others[apart]], axis=1).astype(np.uint32)
        forest = _spanning(np.concatenate([forest, pairs]))
    return forest


def _all_pairs(vectors: Vectors, threshold: float) -> PairFinder:
    """Every near pair, by all cosines; the vectors are in memory."""
    whole = vectors.take(np.arange(len(vectors)))

    def find(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at, others, _ = near_pairs(block, whole, threshold)
        return at, others

    return find


def _proposed_pairs(vectors: Vectors, threshold: float, probe: int) -> PairFinder:
    """Near pairs among the nearest that an index of all rows proposes."""
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
    """Pairs (p, 2) that join the same rows, each row with the lowest of its group."""
    rows, places = np.unique(pairs, return_inverse=True)
    lowest = rows[_lowest_of(len(rows), places.reshape(-1, 2))]
    apart = rows != lowest
    return np.stack([rows[apart], lowest[apart]], axis=1)


def _joined(n: int, paths: Sequence[Path]) -> np.ndarray:
    """The groups of all files' pairs together."""
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
    """The lowest of the rows that pairs (p, 2) join with each of n rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    count, labels = connected_components(graph, directed=False)
    lowest = np.full(count, n, np.int64)
    np.minimum.at(lowest, labels, np.arange(n))
    return lowest[labels]
