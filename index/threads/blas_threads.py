"""A block of code -> the same block with the matrix products of numpy on one thread.

The threads of OpenBLAS spin while they wait for each other. For the small matrices of one query
that costs more than it gains, and far more where other processes use the same cores. Only this
file imports threadpoolctl.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class _Limit:
    """The number of threads belongs to the whole process: the last block restores it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._blocks:
                self._limiter = _controller().limit(limits=1)
            self._blocks += 1

    def leave(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._limiter.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit the matrix products of this process to one thread.

    Blocks of several threads may overlap: the limit ends with the last one.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


@functools.cache
def _controller() -> Any:
    """Controls the OpenBLAS of numpy only; faiss_library.py controls the threads of FAISS."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(threading_layer="pthreads")
