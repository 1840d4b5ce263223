"""Uncompressed tars, read by offset: (name, bytes) pairs -> tar -> (name, offset, size)."""

import io
import os
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unprompt.index.base.errors import DamagedFileError

END_MARK = bytes(tarfile.BLOCKSIZE)
MOST_LINKS = 8  # links to links
LARGEST_HEADERS = 1 << 20  # bytes of all headers of one member; names have a few hundred
LONG_NUMBER = re.compile(rb"[0-9]{300}")
# What tarfile raises for damaged numbers, names and chains of headers.
HEADER_FAULTS = (ValueError, OverflowError, RecursionError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class TarMember:
    """The position of one file's bytes in an uncompressed tar."""

    name: str
    offset: int
    size: int
    fault: str | None = None  # why it has no bytes of its own: a link that leads nowhere


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs as USTAR, without times and owners: same files, same bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            _drop_headers(tar)


class _BoundedHeaders:
    """A tar that gives tarfile few bytes of headers per member, and none that keep it busy.

    One member may have an extended header of any length, and a chain of them. tarfile reads them
    whole and searches them with a pattern that takes quadratic time for long numbers.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._left = LARGEST_HEADERS

    def next_member(self) -> None:
        """Start counting anew."""
        self._left = LARGEST_HEADERS

    def read(self, size: int) -> bytes:
        """Bytes of headers; raises ReadError for too many, or for numbers without end."""
        self._left -= size
        if size < 0 or self._left < 0:
            raise tarfile.ReadError(f"a member has headers of more than {LARGEST_HEADERS} bytes")
        found = self._file.read(size)
        if LONG_NUMBER.search(found):
            raise tarfile.ReadError("a header holds a number of hundreds of digits")
        return found

    def seek(self, place: int) -> int:
        """Go to a place in the file."""
        return self._file.seek(place)

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()


def tar_members(path: Path) -> Iterator[TarMember]:
    """The complete files of a tar; then raises DamagedFileError if it is truncated or damaged.

    A link has the place of the file that it names, if that is in the tar.
    """
    links: dict[str, TarMember | str] | None = None  # the files by name, once a link is met
    for entry in _entries(path):
        if entry.isreg() and not entry.issparse():
            yield TarMember(entry.name, entry.offset_data, entry.size)
        elif entry.islnk() or entry.issym():
            links = _places(path) if links is None else links
            yield _follow(entry, links)


def _entries(path: Path) -> Iterator[tarfile.TarInfo]:
    """The complete members of a tar; then raises DamagedFileError as `tar_members`."""
    whole = 0
    try:
        with path.open("rb") as handle:
            headers = _BoundedHeaders(handle)
            tar = tarfile.open(fileobj=headers, mode="r:")  # type: ignore[call-overload]
            size_bytes = os.fstat(handle.fileno()).st_size
            while (entry := tar.next()) is not None:
                headers.next_member()
                _drop_headers(tar)
                # tarfile loops forever on a negative size
                if entry.size < 0 or entry.offset_data + entry.size > size_bytes:
                    raise DamagedFileError(
                        f"{path} is cut short or broken after {whole} whole files, in {entry.name}"
                    )
                whole += entry.isreg()
                yield entry
            # tarfile takes a damaged header between two members for the end of the tar
            handle.seek(tar.offset)
            if handle.read(tarfile.BLOCKSIZE) != END_MARK:
                raise DamagedFileError(
                    f"{path} is cut short or broken after {whole} whole members: "
                    "the mark that ends a tar is missing"
                )
    except (tarfile.TarError, *HEADER_FAULTS) as error:
        reason = "a header nested too deeply" if isinstance(error, RecursionError) else error
        raise DamagedFileError(
            f"{path} is not a whole uncompressed tar ({reason}) after {whole} whole members"
        ) from error
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error


def read_member(path: Path, member: TarMember) -> bytes:
    """The bytes of one member, read from its offset."""
    if member.fault is not None:
        raise DamagedFileError(f"{member.name} in {path} {member.fault}")
    try:
        with path.open("rb") as handle:
            handle.seek(member.offset)
            content = handle.read(member.size)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(content) != member.size:
        raise DamagedFileError(f"{path} is cut short inside {member.name}")
    return content


def _places(path: Path) -> dict[str, TarMember | str]:
    """What each name of a tar is: a file, or the name that a link leads to."""
    found: dict[str, TarMember | str] = {}
    try:
        for entry in _entries(path):
            name = posixpath.normpath(entry.name)
            if entry.isreg() and not entry.issparse():
                found[name] = TarMember(entry.name, entry.offset_data, entry.size)
            elif entry.islnk() or entry.issym():
                found[name] = _target(entry)
    except DamagedFileError:
        pass  # the caller meets the damage too, and tells it
    return found


def _target(entry: tarfile.TarInfo) -> str:
    """The name that a link leads to: a hard link's in the tar, a symbolic one's beside it."""
    folder = posixpath.dirname(entry.name) if entry.issym() else ""
    return posixpath.normpath(posixpath.join(folder, entry.linkname))


def _follow(entry: tarfile.TarInfo, places: Mapping[str, TarMember | str]) -> TarMember:
    """The file that a link leads to, with the name of the link."""
    place: TarMember | str | None = _target(entry)
    for _ in range(MOST_LINKS):
        if not isinstance(place, str):
            break
        place = places.get(place)
    if not isinstance(place, TarMember):
        fault = f"is a link to {entry.linkname}, which is not in the tar"
        return TarMember(entry.name, 0, 0, fault)
    return TarMember(entry.name, place.offset, place.size)


def _drop_headers(tar: tarfile.TarFile) -> None:
    """Drop the headers that were read so far: tarfile keeps them all, 1 kB per member."""
    tar.members.clear()  # type: ignore[attr-defined]
    tar.pax_headers.clear()  # type: ignore[attr-defined]  # those for all further members
