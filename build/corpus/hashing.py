"""uint64 codes (n,) -> well-mixed uint64 hashes (n,), the same on every machine."""

import numpy as np


def splitmix64(codes: np.ndarray) -> np.ndarray:
    """Hash `codes` (n,) uint64: one changed input bit changes half of the output bits on average.

    This is the output function of Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators" (OOPSLA 2014).
    """
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))
