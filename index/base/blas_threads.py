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

_LIMITING = Lock()  # the number of threads belongs to the whole process


@contextmanager
def one_blas_thread(alone: bool = True) -> Iterator[None]:
    """Limit the matrix products of this process to one thread, if `alone`; restore it afterwards.

    Does nothing while another thread of the process holds the limit.
    """
    if not alone or not _LIMITING.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=1):
            yield
    finally:
        _LIMITING.release()


@functools.cache
def _controller() -> Any:
    """Controls the OpenBLAS of numpy only; faiss_library.py controls the threads of FAISS."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(threading_layer="pthreads")
