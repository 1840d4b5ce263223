"""float16 -> float32, several times as fast as numpy converts: finite numbers of any shape."""

from typing import Any

import numpy as np

SIGN_AND_NUMBER = np.int32(-0x70000001)  # 0x8fffffff: the sign, and what float16 can hold
EXPONENT = np.float32(2.0**112)  # by which the exponents of the two are apart


def widen(array: Any) -> np.ndarray:
    """`array` as float32, exactly; finite numbers only, as all that an index keeps is.

    The bits of a float16 moved up by 13 are a float32 whose exponent is too small by 112.
    """
    found = np.asarray(array)
    if found.dtype != np.float16:
        return np.asarray(found, dtype=np.float32)
    bits = np.ascontiguousarray(found).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= SIGN_AND_NUMBER
    numbers = bits.view(np.float32)
    numbers *= EXPONENT
    return numbers
