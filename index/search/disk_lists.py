"""The lists of an index in a file of their own, which searches map: for more than fits memory.

The FAISS file then holds the training alone. Rows come in by merging: lists of several indexes with
the same training are written one after the other into a new file, and none is held in memory.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.settings import format_bytes
from unprompt.index.search.factory_string import ID
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index


def merge_lists(empty: Any, sources: Sequence[Any], path: Path) -> Any:
    """`empty` with the rows of all sources, whose ids stay; its lists are those in `path`.

    Raises UnpromptError on a full disk.
    """
    faiss, inner = load_faiss(), inner_index(empty)
    lists = faiss.InvertedListsPtrVector()
    for source in sources:
        lists.push_back(inner_index(source).invlists)
    wanted = sum(source.ntotal for source in sources) * (inner.code_size + ID)
    with write_atomically(path) as temporary:
        _need_space(temporary.parent, wanted)
        try:
            merged = faiss.OnDiskInvertedLists(inner.nlist, inner.code_size, str(temporary))
            with _without_prints():
                count = merged.merge_from_multiple(lists.data(), lists.size(), False, False)
        except RuntimeError as error:
            raise OSError(str(error)) from error
    merged.filename = path.name
    inner.replace_invlists(merged, True)
    merged.this.disown()
    empty.ntotal = inner.ntotal = count
    return empty


def read_listless(path: Path) -> Any:
    """The training of an index whose lists are elsewhere, empty."""
    faiss = load_faiss()
    vectors = faiss.read_index(str(path), faiss.IO_FLAG_SKIP_IVF_DATA)
    inner = inner_index(vectors)
    lists = faiss.ArrayInvertedLists(inner.nlist, inner.code_size)
    inner.replace_invlists(lists, True)
    lists.this.disown()
    vectors.ntotal = inner.ntotal = 0
    return vectors


def read_with_lists(path: Path, lists: Path) -> Any:
    """The index with its lists mapped, for searches; raises RuntimeError where FAISS cannot."""
    faiss = load_faiss()
    # their path is not looked at: it is another one wherever the folder was moved
    vectors = faiss.read_index(str(path), faiss.IO_FLAG_SKIP_IVF_DATA)
    mapped = faiss.downcast_InvertedLists(inner_index(vectors).invlists)
    if not isinstance(mapped, faiss.OnDiskInvertedLists):
        raise ValueError(f"{path} has its lists within, not in {lists.name}")
    mapped.filename, mapped.read_only = str(lists), True
    mapped.do_mmap()
    return vectors


@contextmanager
def _without_prints() -> Iterator[None]:
    """FAISS prints to the standard output, where the commands' own results go."""
    library = ctypes.CDLL(None)
    sys.stdout.flush()
    library.fflush(None)
    kept = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        library.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def _need_space(folder: Path, wanted: int) -> None:
    """Mapped files are not refused by a full disk: the process would be killed."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        shown = format_bytes(max(free, 1024))
        raise OSError(f"{format_bytes(wanted)} are needed, {shown} are free")
