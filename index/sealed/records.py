"""Files in a folder -> records of their sizes and digests, and files checked against records."""

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.safe.plain_files import check_inside, relative_name
from unprompt.index.base.settings import STRICT
from unprompt.index.runtime.cache import cached_digest
from unprompt.index.sealed.remembered import LARGE

SMALL = 2**20  # bytes
MAX_KNOWN = 4096
MAX_THREADS = 4  # a disk feeds no more
_known: dict[tuple[int, ...], str] = {}  # digests that this process has found, by state of a file
_knowing = threading.Lock()


@dataclass(frozen=True, config=STRICT)
class FileRecord:
    """Size and digest of one file when it was written."""

    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def record_files(folder: Path, names: Iterable[str]) -> dict[str, FileRecord]:
    """Sizes and digests of the files `names` in `folder`."""
    return {
        name: FileRecord((folder / name).stat().st_size, digest_file(folder / name))
        for name in sorted(names)
    }


def check_files(
    folder: Path, files: Mapping[str, FileRecord], remedy: str, hashed: bool = True
) -> None:
    """Raise DamagedFileError naming the first file that is missing, cut short or changed.

    Every file must be a regular one in `folder`. Without `hashed` sizes alone are compared.
    """
    for name, record in files.items():
        _check_size(folder, name, record, remedy)
    if not hashed:
        return
    largest_first = sorted(files, key=lambda name: -files[name].size_bytes)
    with ThreadPoolExecutor(min(MAX_THREADS, own_cores())) as pool:
        digests = pool.map(_digest, [folder / name for name in largest_first])
        found = dict(zip(largest_first, digests, strict=True))
    for name, record in files.items():
        if found[name] != record.sha256:
            raise DamagedFileError(f"{folder / name} has changed since it was written. {remedy}")


def _check_size(folder: Path, name: str, record: FileRecord, remedy: str) -> None:
    path = folder / relative_name(name, f"the record of files in {folder}")
    if not os.path.lexists(path):
        raise DamagedFileError(f"{path} is missing. {remedy}")
    check_inside(path, folder)
    size = path.stat().st_size
    if size != record.size_bytes:
        raise DamagedFileError(
            f"{path} has {size} bytes, {record.size_bytes} were written. {remedy}"
        )


def _digest(path: Path) -> str:
    """sha256 of a file; a large one is hashed once for as long as it stays the same.

    A process remembers it until the file changes, and the user's cache folder for the next ones.
    """
    found = path.stat()
    if found.st_size < SMALL:
        return digest_file(path)
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    with _knowing:
        known = _known.get(state)
    if known is not None:
        return known
    digest = digest_file(path) if found.st_size < LARGE else cached_digest(path)
    with _knowing:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[state] = digest
    return digest
