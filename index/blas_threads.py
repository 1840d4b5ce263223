"""The one file that knows threadpoolctl: numpy's matrix products in the calling thread alone.

OpenBLAS' threads wait for each other by spinning. For matrices as small as one query's that costs
more than it gains, and many times more where another process wants the same cores.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class _Limit:
    """The number of threads is the whole process': the first to ask sets it, the last undoes it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            self._asking += 1
            if self._asking == 1:
                self._limiter = _controller().limit(limits=1)

    def leave(self) -> None:
        with self._lock:
            self._asking -= 1
            if self._asking == 0:
                self._limiter.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def one_blas_thread(alone: bool = True) -> Iterator[None]:
    """Matrix products of this process use one thread, if `alone`; afterwards as many as before."""
    if not alone:
        yield
        return
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()


@functools.cache
def _controller() -> Any:
    """Of the OpenBLAS that numpy brings; an OpenMP's threads are another's: faiss_library.py."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(threading_layer="pthreads")
