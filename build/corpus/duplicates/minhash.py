"""MinHash with bands: sets of n rows -> keys (bands, n) uint64.

Two rows with Jaccard similarity s share the key of a band with probability s ** size (Broder 1997;
Leskovec, Rajaraman and Ullman, "Mining of massive datasets", chapter 3). All rows are hashed at
once. The library datasketch hashes one row at a time and keeps every band as a dict of Python
objects: docs/cleaning.md compares the two.
"""

from typing import NamedTuple

import numpy as np

from unprompt.build.corpus.duplicates.shingles import Shingles
from unprompt.build.corpus.hashing import splitmix64

MISSED = 0.005  # maximum share of missed pairs whose similarity equals the threshold
SEED = 1729


class Bands(NamedTuple):
    """How the MinHash values of a row are divided into bands."""

    number: int
    size: int  # hash functions per band


def choose_bands(threshold: float, permutations: int) -> Bands:
    """The largest bands that miss at most `MISSED`; larger bands give fewer false candidates."""
    sizes = [
        size
        for size in range(1, permutations + 1)
        if (1.0 - threshold**size) ** (permutations // size) <= MISSED
    ]
    size = max(sizes, default=1)
    return Bands(permutations // size, size)


def band_keys(sets: Shingles, bands: Bands) -> np.ndarray:
    """Keys (bands, n) uint64; every row must have at least one hash."""
    rng = np.random.default_rng(SEED)
    n = len(sets.offsets) - 1
    keys = np.zeros((bands.number, n), np.uint64)
    if not n:
        return keys
    hashes = sets.hashes.astype(np.uint64)
    starts, high = sets.offsets[:-1], np.uint64(32)
    for band in range(bands.number):
        for _ in range(bands.size):
            factor, shift = rng.integers(2**64, size=2, dtype=np.uint64)
            values = (hashes * (factor | np.uint64(1)) + shift) >> high
            lowest = np.minimum.reduceat(values, starts)
            keys[band] = splitmix64(keys[band] + lowest)
    return keys
