"""The one file that knows threadpoolctl: numpy's matrix products in the calling thread alone.

OpenBLAS' threads wait for each other by spinning. For matrices as small as one query's that costs
more than it gains, and many times more where another process wants the same cores.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_LIMITING = Lock()  # the number of threads is the whole process'


@contextmanager
def one_blas_thread(alone: bool = True) -> Iterator[None]:
    """Matrix products of this process use one thread, if `alone`; afterwards as many as before.

    Where another thread of the process has asked for the same meanwhile, it is left as it is.
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
    """Of the OpenBLAS that numpy brings; an OpenMP's threads are another's: faiss_library.py."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(threading_layer="pthreads")
