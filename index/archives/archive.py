"""Any archive of files, named by its suffix: tar, packed tar or zip -> members -> bytes."""

from collections.abc import Iterator
from pathlib import Path

from unprompt.index.archives.packed_tars import PACKED, unpacked
from unprompt.index.archives.tars import TarMember, read_member, tar_members
from unprompt.index.archives.zips import read_zipped, zip_members
from unprompt.index.base.errors import DamagedFileError

ARCHIVES = (".tar", *PACKED, ".zip")


def is_archive(name: str) -> bool:
    """Whether a name has the suffix of an archive."""
    return name.lower().endswith(ARCHIVES)


def archive_stem(path: Path) -> str:
    """The name of an archive without its suffix."""
    suffix = next((suffix for suffix in ARCHIVES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def archive_members(path: Path) -> Iterator[TarMember]:
    """The complete files of an archive; then raises DamagedFileError if it is damaged."""
    if path.name.lower().endswith(".zip"):
        yield from zip_members(path)
        return
    plain = _plain(path)
    try:
        yield from tar_members(plain)
    except DamagedFileError as error:
        raise DamagedFileError(str(error).replace(str(plain), str(path))) from error


def read_archived(path: Path, member: TarMember) -> bytes:
    """The bytes of one member of an archive; raises DamagedFileError."""
    if path.name.lower().endswith(".zip"):
        return read_zipped(path, member)
    plain = _plain(path)
    try:
        return read_member(plain, member)
    except DamagedFileError as error:
        raise DamagedFileError(str(error).replace(str(plain), str(path))) from error


def _plain(path: Path) -> Path:
    return unpacked(path) if path.name.lower().endswith(PACKED) else path
