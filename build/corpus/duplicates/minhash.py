"""MinHash with bands, vectorised: sets of n rows -> keys (bands, n) uint64.

Two rows with Jaccard similarity s share the key of a band with probability s ** size. The library
datasketch does the same one row at a time and keeps each band as a dict of Python objects, which
takes 9 times as long and gigabytes for a million prompts: docs/cleaning.md.
"""

from typing import NamedTuple

import numpy as np

from unprompt.build.corpus.duplicates.shingles import Shingles, mix

MISSED = 0.005  # of the pairs right at the threshold, at most
SEED = 1729


class Bands(NamedTuple):
    """How signatures are cut up."""

    number: int
    size: int  # hash functions of a band


def choose_bands(threshold: float, permutations: int) -> Bands:
    """The largest bands, and so the fewest chance meetings, that miss at most `MISSED`."""
    sizes = [
        size
        for size in range(1, permutations + 1)
        if (1.0 - threshold**size) ** (permutations // size) <= MISSED
    ]
    size = max(sizes, default=1)
    return Bands(permutations // size, size)


def band_keys(sets: Shingles, bands: Bands) -> np.ndarray:
    """Keys (bands, n) uint64; each row must have a hash."""
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
            keys[band] = mix(keys[band] + lowest)
    return keys
