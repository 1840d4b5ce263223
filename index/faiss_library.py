"""The one place that imports FAISS: nothing in, the module out, once it is safe to load."""

import functools
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

from unprompt.index.errors import MissingDependencyError

CPU_DISTRIBUTION = "faiss-cpu"
GPU_DISTRIBUTION = "faiss-gpu"


@functools.cache
def load_faiss() -> ModuleType:
    """The module `faiss`; raises MissingDependencyError where it is absent or installed twice."""
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
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MissingDependencyError(
            f"FAISS cannot be imported ({error}); run `pip install 'unprompt[cpu]'`, or "
            "`pip install 'unprompt[gpu]'` on a machine with an NVIDIA GPU"
        ) from error


@contextmanager
def one_thread(alone: bool = True) -> Iterator[None]:
    """FAISS works in the calling thread alone, if `alone`.

    Its threads go on spinning after their work for a while, which costs a small search, and all
    that comes after it, more than they gain.
    """
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    if alone:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _import_torch_first() -> None:
    """faiss-gpu brings CUDA 12, torch CUDA 13: torch loaded after FAISS crashes the process."""
    if importlib.util.find_spec("torch") is None:
        return
    # A torch that cannot be imported cannot clash either, and its own user will report it.
    with suppress(ImportError, OSError):
        importlib.import_module("torch")
