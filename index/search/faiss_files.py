"""A FAISS index on disk: written whole under a temporary name, read by memory map."""

from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically
from unprompt.index.search.disk_lists import read_with_lists
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.vectors.faiss_library import load_faiss


def read_vectors(
    path: Path, factory: str, changing: bool = False, lists: Path | None = None
) -> Any:
    """The FAISS index of a file; raises RuntimeError where FAISS cannot read it.

    Only what a search touches comes into memory, and the system may drop it again. An index that
    is `changing` is read whole, as FAISS cannot add to one that is mapped; `lists` in a file of
    their own stay mapped all the same.
    """
    faiss = load_faiss()
    if lists is not None:
        return read_with_lists(path, lists)
    if changing:
        return faiss.read_index(str(path))
    # Packed codes (fs) can only be mapped as lists on disk, all else as it lies in the file.
    flag = faiss.IO_FLAG_MMAP if parse_factory(factory).is_packed else faiss.IO_FLAG_MMAP_IFC
    return faiss.read_index(str(path), flag)


def write_vectors(path: Path, vectors: Any) -> None:
    """Write an index; raises OSError on a full disk."""
    with write_atomically(path) as temporary:
        try:
            load_faiss().write_index(vectors, str(temporary))
        except RuntimeError as error:  # its way to say that the disk is full
            raise OSError(str(error)) from error
