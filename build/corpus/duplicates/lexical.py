"""Near-duplicates by words: rows of shards -> the dropped rows, each with the row it duplicates.

FOLDER/sets/00000_{hashes,offsets,bands}.npy   a shard's word sets and band keys; .json comes last
FOLDER/pairs/00.npy                            pairs that share a key of band 0: candidates.py
FOLDER/drops/00000.parquet                     the shard's dropped rows

The Jaccard similarity of every pair that shares a band is computed exactly. Then a row is dropped
if an earlier, kept row is at or over the threshold; the most similar such row is recorded. A pair
whose similarity equals the threshold is missed with a probability of at most `minhash.MISSED`, a
more similar pair with a lower one. Word sets stay on disk; memory holds the keys of one band and
the sets of `PAIRS_AT_ONCE` pairs.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from unprompt.build.corpus.duplicates.candidates import candidate_pairs, count_hashes, rarest
from unprompt.build.corpus.duplicates.duplicate_rows import (
    DuplicateRows,
    concat_duplicates,
    duplicate_rows,
    read_duplicates,
    write_duplicates,
)
from unprompt.build.corpus.duplicates.minhash import band_keys, choose_bands
from unprompt.build.corpus.duplicates.shingles import Shingles, jaccards, shingle
from unprompt.index.base.durable import write_atomically, write_json
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.row_shards import RowShards

PAIRS_AT_ONCE = 500_000
# Files in the folder, by the number of a shard or band.
SETS, PAIRS, DROPS = "sets/{:05d}.json", "pairs/{:02d}.npy", "drops/{:05d}.parquet"
HASHES, OFFSETS, KEYS = (f"sets/{{:05d}}_{name}.npy" for name in ("hashes", "offsets", "bands"))


class LexicalStep:
    """One search over rows of shards; `run` continues with the finished files."""

    def __init__(
        self,
        folder: Path,
        shards: RowShards,
        rows: np.ndarray,
        threshold: float,
        permutations: int,
        progress: Progress = SILENT,
    ):
        self.folder = folder
        self._shards = shards
        self._rows = rows  # (n,) sorted: the rows that earlier steps kept
        self._threshold = threshold
        self._bands = choose_bands(threshold, permutations)
        self._progress = progress
        counts = [len(shards.rows(shard, rows)) for shard in range(len(shards))]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])

    def run(self) -> DuplicateRows:
        """The duplicates, as positions in `rows`."""
        shards, bands = range(len(self._shards)), range(self._bands.number)
        self._each(shards, "words", SETS, self._make_sets)
        self._each(bands, "candidates", PAIRS, self._find_pairs)
        self._each(shards, "compare words", DROPS, self._compare)
        return concat_duplicates([read_duplicates(self._path(DROPS, shard)) for shard in shards])

    def _each(self, numbers: range, label: str, name: str, make: Callable[[int], None]) -> None:
        """Make the missing files `name` of all numbers."""
        left = [number for number in numbers if not self._path(name, number).is_file()]
        for number in self._progress.track(left, label, len(numbers), len(numbers) - len(left)):
            make(number)

    def _make_sets(self, shard: int) -> None:
        rows = self._shards.rows(shard, self._rows)
        sets = shingle(self._shards.read(shard)["prompt"][rows])
        arrays = (sets.hashes, sets.offsets, band_keys(sets, self._bands))
        for name, array in zip((HASHES, OFFSETS, KEYS), arrays, strict=True):
            _save(self._path(name, shard), array)
        write_json(self._path(SETS, shard), {"rows": len(rows)})

    def _find_pairs(self, band: int) -> None:
        shards = range(len(self._shards))
        keys = [np.load(self._path(KEYS, shard), mmap_mode="r")[band] for shard in shards]
        pairs = candidate_pairs(
            np.concatenate([np.empty(0, np.uint64), *keys]),
            lambda rows: rarest(self._take(rows), self._counts, self._threshold),
        )
        _save(self._path(PAIRS, band), pairs)

    def _compare(self, shard: int) -> None:
        pairs = self._pairs_of(shard)
        dropped = self._dropped_before(shard)
        later, earlier = _unpack(pairs)
        smaller = np.minimum(self._sizes[later], self._sizes[earlier])
        larger = np.maximum(self._sizes[later], self._sizes[earlier])
        possible = smaller >= self._threshold * (larger - 1e-6)
        pairs = pairs[possible & ~dropped[earlier]]
        similarity = np.empty(len(pairs))
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            span = slice(start, start + PAIRS_AT_ONCE)
            later, earlier = _unpack(pairs[span])
            similarity[span] = jaccards(self._take(later), self._take(earlier))
        near = similarity >= self._threshold
        write_duplicates(self._path(DROPS, shard), _drop_in_order(pairs[near], similarity[near]))

    def _pairs_of(self, shard: int) -> np.ndarray:
        """Candidate pairs whose later row lies in the shard, sorted, without repeats."""
        edges = self._starts[shard : shard + 2].astype(np.uint64) << np.uint64(32)
        found = []
        for band in range(self._bands.number):
            pairs = np.load(self._path(PAIRS, band), mmap_mode="r")
            low, high = np.searchsorted(pairs, edges)
            found.append(np.array(pairs[low:high]))
        return np.unique(np.concatenate(found))

    def _dropped_before(self, shard: int) -> np.ndarray:
        dropped = np.zeros(len(self._rows), bool)
        for earlier in range(shard):
            dropped[read_duplicates(self._path(DROPS, earlier)).rows] = True
        return dropped

    def _take(self, rows: np.ndarray) -> Shingles:
        """The word sets of `rows` (m,), in that order."""
        distinct, order = np.unique(rows, return_inverse=True)
        sizes, hashes = [], [np.empty(0, np.uint32)]
        for shard in range(len(self._shards)):
            low, high = np.searchsorted(distinct, self._starts[shard : shard + 2])
            if low < high:
                found = self._sets(shard).take(distinct[low:high] - self._starts[shard])
                sizes.append(found.sizes())
                hashes.append(found.hashes)
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, int), *sizes]))])
        return Shingles(np.concatenate(hashes), offsets).take(order)

    @cached_property
    def _sizes(self) -> np.ndarray:
        sizes = [self._sets(shard).sizes() for shard in range(len(self._shards))]
        return np.concatenate([np.empty(0, np.int32), *sizes]).astype(np.int32)

    @cached_property
    def _counts(self) -> np.ndarray:
        counts = count_hashes(np.empty(0, np.uint32))
        for shard in range(len(self._shards)):
            counts = count_hashes(self._sets(shard).hashes, counts)
        return counts

    def _sets(self, shard: int) -> Shingles:
        hashes = np.load(self._path(HASHES, shard), mmap_mode="r")
        return Shingles(hashes, np.load(self._path(OFFSETS, shard)))

    def _path(self, name: str, number: int) -> Path:
        return self.folder / name.format(number)


def _drop_in_order(pairs: np.ndarray, similarity: np.ndarray) -> DuplicateRows:
    """Go down the later rows; each is dropped for the most similar kept row before it."""
    later, earlier = _unpack(pairs)
    order = np.lexsort((earlier, -similarity, later))
    dropped: dict[int, tuple[int, float]] = {}
    for row, other, value in zip(
        later[order].tolist(), earlier[order].tolist(), similarity[order].tolist(), strict=True
    ):
        if row not in dropped and other not in dropped:
            dropped[row] = (other, value)
    return duplicate_rows(list(dropped), *(zip(*dropped.values(), strict=True) if dropped else ()))


def _unpack(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The later and the earlier rows (p,) int64 of packed pairs."""
    later, earlier = pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)
    return later.astype(np.int64), earlier.astype(np.int64)


def _save(path: Path, array: np.ndarray) -> None:
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array)
