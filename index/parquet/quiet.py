"""A block in which native libraries print nothing on stderr.

polars prints a stack of calls for a damaged page before it raises an error. Python's own prints go
through `sys.stderr`; the command line gives that a file descriptor of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_STDERR = 2  # the file descriptor that native libraries print to
_lock = Lock()
_inside, _kept = 0, -1


@contextmanager
def without_native_stderr() -> Iterator[None]:
    """Point the descriptor at nothing for the block; blocks of several threads may overlap."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _kept
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        try:
            _kept = os.dup(_STDERR)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, _STDERR)
            os.close(nothing)
        except OSError:  # the process has no stderr
            _kept = -1


def _leave() -> None:
    global _inside, _kept
    with _lock:
        _inside -= 1
        if not _inside and _kept >= 0:
            os.dup2(_kept, _STDERR)
            os.close(_kept)
            _kept = -1
