"""Keys (n,) of one band -> pairs of rows that share one: (p,) uint64, later row << 32 | earlier.

A bucket of up to `CROWD` rows gives all its pairs. The rows of a larger one, most often many
subjects before one long tail of style words, are met by their rarest hashes instead: two sets
whose Jaccard similarity is at or over t share at least one of the size - ceil(t * size) + 1 rarest
hashes of each, so that no such pair is lost. Where even that leaves a crowd, a row meets the first
and the last before it, `CROWD` / 2 of each; the pairs beyond are not looked at.
"""

from collections.abc import Callable

import numpy as np

from unprompt.build.corpus.duplicates.shingles import Shingles, mix

CROWD = 32
_COUNTERS = 24  # bits; hashes are counted in 2 ** 24 counters
_HIGH = np.uint64(32)


def count_hashes(hashes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """How often hashes occur (2 ** 24,), added to `counts`; those of one counter together."""
    slots = hashes >> np.uint32(32 - _COUNTERS)
    found = np.bincount(slots, minlength=2**_COUNTERS)
    return found if counts is None else counts + found


def rarest(sets: Shingles, counts: np.ndarray, threshold: float) -> Shingles:
    """Of each set the hashes that it must share one of with any set that is similar enough."""
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
    keys: np.ndarray, rare_of: Callable[[np.ndarray], Shingles], crowd: int = CROWD
) -> np.ndarray:
    """All pairs of small buckets, and of large ones those with a rare hash in common."""
    order = np.argsort(keys, kind="stable")
    _, starts, sizes = np.unique(keys[order], return_index=True, return_counts=True)
    crowded = np.repeat(sizes > crowd, sizes)
    small = _pairs_before(keys[order], order, ~crowded, crowd)
    places = np.sort(order[crowded])
    if not len(places):
        return np.unique(small)
    rare = rare_of(places)
    members = np.repeat(places, rare.sizes())
    met = mix(np.repeat(keys[places], rare.sizes()) ^ mix(rare.hashes.astype(np.uint64)))
    order = np.argsort(met, kind="stable")
    everywhere = np.ones(len(met), bool)
    pairs = _pairs_before(met[order], members[order], everywhere, crowd // 2)
    first = _pairs_first(met[order], members[order], crowd // 2)
    return np.unique(np.concatenate([small, pairs, first]))


def _pairs_before(
    keys: np.ndarray, rows: np.ndarray, included: np.ndarray, reach: int
) -> np.ndarray:
    """Pairs of each row with the up to `reach` rows before it in its bucket; `keys` are sorted."""
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
        later = np.flatnonzero(rank > offset + reach)  # nearer ones are met as the last before it
        found.append(_pack(rows[later], rows[start[later] + offset]))
    return np.concatenate(found)


def _pack(later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Rows as pairs; a row that meets itself is left out."""
    apart = later != earlier
    return (later[apart].astype(np.uint64) << _HIGH) | earlier[apart].astype(np.uint64)
