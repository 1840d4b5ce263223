"""FAISS indexes on disk: written whole under a temporary name, read by memory map.

The inverted lists of an index that is larger than memory are in a file of their own, and the FAISS
file holds the training alone. Such an index grows by merging: the lists of several indexes with the
same training are written one after the other into a new file, without being held in memory.
"""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically, write_error
from unprompt.index.base.safe.plain_files import check_inside
from unprompt.index.base.settings import format_bytes
from unprompt.index.search.checked_index import check_parts, read_checked, read_without_lists
from unprompt.index.search.factory_string import ID, parse_factory
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.transforms import inner_index


def write_vectors(path: Path, vectors: Any) -> None:
    """Write a FAISS index; raises OSError on a full disk."""
    with write_atomically(path) as temporary:
        try:
            load_faiss().write_index(vectors, str(temporary))
        except RuntimeError as error:  # what FAISS raises on a full disk
            raise write_error(error, temporary) from error


def read_vectors(
    path: Path, factory: str, writable: bool = False, lists: Path | None = None
) -> Any:
    """Open a FAISS index file; raises RuntimeError or ValueError where it cannot be read.

    The file is mapped, so that only what a search touches comes into memory. FAISS cannot add to a
    mapped index: a `writable` one is read whole, except `lists` in a file of their own.
    """
    faiss = load_faiss()
    if lists is not None:
        return _read_with_lists(path, lists)
    if writable:
        return read_checked(path)
    # FAISS maps fast-scan codes only as inverted lists
    packed = parse_factory(factory).is_packed
    return read_checked(path, faiss.IO_FLAG_MMAP if packed else faiss.IO_FLAG_MMAP_IFC)


def read_training(path: Path) -> Any:
    """The training of an index whose lists are in a file of their own, without rows."""
    faiss = load_faiss()
    vectors = read_without_lists(path)
    inner = inner_index(vectors)
    lists = faiss.ArrayInvertedLists(inner.nlist, inner.code_size)
    inner.replace_invlists(lists, True)
    lists.this.disown()
    vectors.ntotal = inner.ntotal = 0
    return vectors


def merge_lists(empty: Any, sources: Sequence[Any], path: Path) -> Any:
    """Give `empty` the rows of all sources, with their ids; its lists are written to `path`.

    Raises UnpromptError on a full disk.
    """
    faiss, inner = load_faiss(), inner_index(empty)
    lists = faiss.InvertedListsPtrVector()
    for source in sources:
        lists.push_back(inner_index(source).invlists)
    wanted = sum(source.ntotal for source in sources) * (inner.code_size + ID)
    with write_atomically(path) as temporary:
        _check_free_space(temporary.parent, wanted)
        try:
            merged = faiss.OnDiskInvertedLists(inner.nlist, inner.code_size, str(temporary))
            with _silent_stdout():
                count = merged.merge_from_multiple(lists.data(), lists.size(), False, False)
        except RuntimeError as error:
            raise write_error(error, temporary) from error
    merged.filename = path.name
    inner.replace_invlists(merged, True)
    merged.this.disown()
    empty.ntotal = inner.ntotal = count
    return empty


def _read_with_lists(path: Path, lists: Path) -> Any:
    faiss = load_faiss()
    # The path in the file is not used: the folder may have been moved.
    vectors = read_without_lists(path)
    mapped = faiss.downcast_InvertedLists(inner_index(vectors).invlists)
    if not isinstance(mapped, faiss.OnDiskInvertedLists):
        raise ValueError(f"{path} has its lists within, not in {lists.name}")
    mapped.filename, mapped.read_only = str(lists), True
    size, row = lists.stat().st_size, mapped.code_size + ID
    for number in range(mapped.nlist):
        slot = mapped.lists.at(number)
        if slot.size > slot.capacity or slot.offset + slot.capacity * row > size:
            raise ValueError(f"list {number} lies outside of {lists.name}")
    check_inside(lists, lists.parent)
    mapped.totsize = size
    mapped.do_mmap()
    check_parts(vectors)
    return vectors


@contextmanager
def _silent_stdout() -> Iterator[None]:
    """Discard what FAISS prints to the standard output, which carries the commands' results."""
    library = ctypes.CDLL(None)
    sys.stdout.flush()
    library.fflush(None)
    original = os.dup(1)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        library.fflush(None)
        os.dup2(original, 1)
        os.close(original)


def _check_free_space(folder: Path, wanted: int) -> None:
    """Raise OSError before mapped writes fill the disk, on which the system kills the process."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        shown = format_bytes(max(free, 1024))
        needed = f"{format_bytes(wanted)} are needed, {shown} are free"
        raise OSError(errno.ENOSPC, needed)
