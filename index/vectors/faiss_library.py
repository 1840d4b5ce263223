"""The only file that imports FAISS, after checks and settings that it needs to load safely."""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import ModuleType

from unprompt.index.base.errors import MissingDependencyError

CPU_DISTRIBUTION = "faiss-cpu"
GPU_DISTRIBUTION = "faiss-gpu"

# The OpenBLAS inside faiss-cpu is older than many processors. For those that it does not know, it
# uses kernels of 2004, which are five times slower.
KERNELS = "OPENBLAS_CORETYPE"
CPUINFO = Path("/proc/cpuinfo")
KERNELS_BY_FLAGS = (  # name of kernels, instructions that they need; the fastest first
    ("SkylakeX", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
    ("Haswell", {"avx2", "fma"}),
)
# From this count of numbers in all queries, an exact scan is a matrix product, many times faster.
# The default of FAISS is 128,000, which a batch of 200 queries of 512 numbers does not reach.
MATRIX_PRODUCT_FROM = 2048
_LOADING = RLock()  # `functools.cache` alone lets two threads in at once


def load_faiss() -> ModuleType:
    """The module `faiss`, for any thread.

    Raises MissingDependencyError if it is missing or installed twice.
    """
    with _LOADING:
        return _import_faiss()


@functools.cache
def _import_faiss() -> ModuleType:
    installed = [name for name in (CPU_DISTRIBUTION, GPU_DISTRIBUTION) if _is_installed(name)]
    if len(installed) > 1:
        raise MissingDependencyError(
            "faiss-cpu and faiss-gpu are both installed and overwrite each other's files; run "
            "`pip uninstall faiss-cpu faiss-gpu`, then `pip install 'unprompt[cpu]'` or "
            "`pip install 'unprompt[gpu]'`, not both"
        )
    if installed == [GPU_DISTRIBUTION] and sys.platform == "linux":
        _import_torch_first()
    try:
        with _fast_kernels():
            faiss = importlib.import_module("faiss")
    except ImportError as error:
        raise MissingDependencyError(
            f"FAISS cannot be imported ({error}); run `pip install 'unprompt[cpu]'`, or "
            "`pip install 'unprompt[gpu]'` on a machine with an NVIDIA GPU"
        ) from error
    _search_by_products(faiss)
    return faiss


def _search_by_products(faiss: ModuleType) -> None:
    """Older versions count queries by this threshold, and have it low enough."""
    settings = faiss.cvar
    settings.distance_compute_blas_threshold = min(
        settings.distance_compute_blas_threshold, MATRIX_PRODUCT_FROM
    )


@contextmanager
def _fast_kernels() -> Iterator[None]:
    """Set the kernels of an OpenBLAS that is loaded meanwhile, unless the user set them."""
    kernels = find_kernels(CPUINFO)
    if kernels is None or KERNELS in os.environ:
        yield
        return
    os.environ[KERNELS] = kernels
    try:
        yield
    finally:
        del os.environ[KERNELS]


def find_kernels(cpuinfo: Path) -> str | None:
    """OpenBLAS' name of the fastest kernels for the processor in `cpuinfo`, or None."""
    if not cpuinfo.is_file():
        return None
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return next((name for name, needed in KERNELS_BY_FLAGS if needed <= flags), None)


@contextmanager
def one_thread(alone: bool = True) -> Iterator[None]:
    """Let FAISS work in the calling thread only, if `alone`.

    Its other threads spin for a while after their work. That costs a small search, and whatever
    runs after it, more than they gain.
    """
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    if alone:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def count_gpus() -> int:
    """The number of GPUs that FAISS sees; 0 with faiss-cpu."""
    return int(getattr(load_faiss(), "get_num_gpus", lambda: 0)())


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _import_torch_first() -> None:
    """faiss-gpu loads CUDA 12 and torch CUDA 13: torch loaded after FAISS crashes the process."""
    if importlib.util.find_spec("torch") is None:
        return
    # A torch that cannot be imported cannot clash either; the code that needs it reports that.
    with suppress(ImportError, OSError):
        importlib.import_module("torch")
