"""A process with many threads -> the same process, whose threads share the memory that they free.

glibc gives threads arenas of their own, and what one thread frees there no other can use: fifty
megabytes and more where pictures are decoded by several.
"""

import ctypes
import sys

_MOST_ARENAS, _ARENAS = -8, 2  # M_ARENA_MAX of malloc.h


def share_arenas() -> bool:
    """Limit the arenas of glibc; False where the system has another allocator.

    It is for the start of a program: threads that run already keep theirs.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_MOST_ARENAS, _ARENAS))
    except (OSError, AttributeError):
        return False
