"""Zip files, read by offset: zip -> (name, offset, size) -> bytes."""

import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from unprompt.index.archives.tars import TarMember
from unprompt.index.base.errors import DamagedFileError

OPEN = 4  # zips that stay open
ENCRYPTED = 1  # bit of the flags of an entry
BROKEN = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
    RuntimeError, KeyError,
)  # fmt: skip


class _Open:
    """A zip and its entries by offset. `zipfile` lets several threads read at once."""

    def __init__(self, path: Path):
        self.archive = zipfile.ZipFile(path)
        self.entries = {entry.header_offset: entry for entry in self.archive.infolist()}


def zip_members(path: Path) -> Iterator[TarMember]:
    """The files of a zip, in the order of its directory; raises DamagedFileError if it is none."""
    for offset, entry in _open(path).entries.items():
        if not entry.is_dir():
            yield TarMember(entry.filename, offset, entry.file_size)


def read_zipped(path: Path, member: TarMember) -> bytes:
    """The bytes of one file; at most as many as its size says. Raises DamagedFileError."""
    found = _open(path)
    entry = found.entries.get(member.offset)
    if entry is None:
        raise DamagedFileError(f"{path} has no file {member.name}")
    if entry.flag_bits & ENCRYPTED:
        raise DamagedFileError(f"{member.name} in {path} is encrypted; unpack it first")
    try:
        return found.archive.read(entry)
    except BROKEN as error:
        raise DamagedFileError(f"cannot read {member.name} in {path}: {error}") from error


def _open(path: Path) -> _Open:
    try:
        stat = path.stat()
        return _open_once(str(path), stat.st_mtime_ns, stat.st_size)
    except BROKEN as error:
        raise DamagedFileError(f"{path} is not a whole zip ({error}); fetch it again") from error


@lru_cache(maxsize=OPEN)
def _open_once(path: str, changed: int, size: int) -> _Open:
    return _Open(Path(path))
