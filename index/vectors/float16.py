"""float16 -> float32, several times as fast as numpy: finite numbers of any shape."""

from typing import Any

import numpy as np

SIGN_AND_VALUE = np.int32(-0x70000001)  # 0x8fffffff: all bits but the top three of the exponent
EXPONENT_OFFSET = np.float32(2.0**112)  # biases of the two exponents: 127 - 15


def widen(array: Any) -> np.ndarray:
    """`array` as float32, exactly; its numbers must be finite.

    The bits of a float16 shifted left by 13 are a float32 whose exponent is too small by 112.
    """
    found = np.asarray(array)
    if found.dtype != np.float16:
        return np.asarray(found, dtype=np.float32)
    bits = np.ascontiguousarray(found).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= SIGN_AND_VALUE
    numbers = bits.view(np.float32)
    numbers *= EXPONENT_OFFSET
    return numbers
