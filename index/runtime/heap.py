"""Memory that OpenVINO has freed -> the system gets it back.

Reading a network takes several times the memory that stays. The C library keeps what was freed for
the thread that freed it, so that the next network, in another thread, would take as much again.
"""

import ctypes
import functools
from collections.abc import Callable


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library can; takes milliseconds."""
    trim = _find_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _find_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim  # glibc alone has it
    except (OSError, AttributeError, TypeError):
        return None
    return found
