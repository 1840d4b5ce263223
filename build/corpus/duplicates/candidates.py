"""Keys (n,) of one band -> pairs of rows that share a key: (p,) uint64, later << 32 | earlier.

A bucket of up to `MAX_BUCKET` rows gives all its pairs. A larger bucket often holds different
subjects with the same long tail of style words. Its rows are paired by their rarest hashes instead:
two sets whose Jaccard similarity is at or over t share at least one of the
size - ceil(t * size) + 1 rarest hashes of each, so that no such pair is missed (the prefix filter
of Chaudhuri, Ganti and Kaushik, ICDE 2006). If a bucket of these hashes is still large, each row is
paired with the first and the last `MAX_BUCKET` / 2 rows before it, and with no others.
"""

from collections.abc import Callable

import numpy as np

from unprompt.build.corpus.duplicates.shingles import Shingles
from unprompt.build.corpus.hashing import splitmix64

MAX_BUCKET = 32
_COUNTERS = 24  # bits: hashes are counted in 2 ** 24 counters
_HIGH = np.uint64(32)


def count_hashes(hashes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Counts (2 ** 24,) of hashes by their upper 24 bits, added to `counts` if given."""
    slots = hashes >> np.uint32(32 - _COUNTERS)
    found = np.bincount(slots, minlength=2**_COUNTERS)
    return found if counts is None else counts + found


def rarest(sets: Shingles, counts: np.ndarray, threshold: float) -> Shingles:
    """The rarest hashes of each set; sets with a similarity over `threshold` share one of them."""
    sizes = sets.sizes()
    rows = np.repeat(np.arange(len(sizes)), sizes)
    slots = sets.hashes >> np.uint32(32 - _COUNTERS)
    order = np.lexsort((sets.hashes, counts[slots], rows))
    rank = np.arange(len(rows)) - np.repeat(sets.offsets[:-1], sizes)
    wanted = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    first = rank < np.repeat(wanted, sizes)
    offsets = np.concatenate([[0], np.cumsum(np.minimum(wanted, sizes))])
    return Shingles(sets.hashes[order][first], offsets)


def candidate_pairs(
    keys: np.ndarray, rare_of: Callable[[np.ndarray], Shingles], max_bucket: int = MAX_BUCKET
) -> np.ndarray:
    """Pairs (p,) of a band with `keys` (n,), sorted, without repeats.

    `rare_of` gives the rarest hashes of rows (m,); it is called for rows of large buckets only.
    """
    order = np.argsort(keys, kind="stable")
    _, starts, sizes = np.unique(keys[order], return_index=True, return_counts=True)
    large = np.repeat(sizes > max_bucket, sizes)
    small = _pairs_before(keys[order], order, ~large, max_bucket)
    rows = np.sort(order[large])
    if not len(rows):
        return np.unique(small)
    rare = rare_of(rows)
    members = np.repeat(rows, rare.sizes())
    hashes = splitmix64(rare.hashes.astype(np.uint64))
    buckets = splitmix64(np.repeat(keys[rows], rare.sizes()) ^ hashes)
    order = np.argsort(buckets, kind="stable")
    everywhere = np.ones(len(buckets), bool)
    pairs = _pairs_before(buckets[order], members[order], everywhere, max_bucket // 2)
    first = _pairs_first(buckets[order], members[order], max_bucket // 2)
    return np.unique(np.concatenate([small, pairs, first]))


def _pairs_before(
    keys: np.ndarray, rows: np.ndarray, included: np.ndarray, reach: int
) -> np.ndarray:
    """Pairs of each row with up to `reach` rows before it in its bucket; `keys` are sorted."""
    found = [np.empty(0, np.uint64)]
    for offset in range(1, reach + 1):
        later = offset + np.flatnonzero(included[offset:] & (keys[offset:] == keys[:-offset]))
        if not len(later):
            break
        found.append(_pack(rows[later], rows[later - offset]))
    return np.concatenate(found)


def _pairs_first(keys: np.ndarray, rows: np.ndarray, reach: int) -> np.ndarray:
    """Pairs of each row with the first `reach` rows of its bucket; `keys` are sorted."""
    _, starts, sizes = np.unique(keys, return_index=True, return_counts=True)
    start = np.repeat(starts, sizes)
    rank = np.arange(len(keys)) - start
    found = [np.empty(0, np.uint64)]
    for offset in range(reach):
        later = np.flatnonzero(rank > offset + reach)  # `_pairs_before` gives the nearer ones
        found.append(_pack(rows[later], rows[start[later] + offset]))
    return np.concatenate(found)


def _pack(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Rows (p,) and (p,) as pairs, without pairs of a row with itself."""
    apart = later != earlier
    return (later[apart].astype(np.uint64) << _HIGH) | earlier[apart].astype(np.uint64)
