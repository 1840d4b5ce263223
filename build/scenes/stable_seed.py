"""Values -> a random generator that is the same in every process and on every machine."""

import hashlib

import numpy as np


def make_generator(*values: str | int) -> np.random.Generator:
    """A generator seeded with the sha256 of the values."""
    digest = hashlib.sha256("\x1f".join(str(value) for value in values).encode("utf-8")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
