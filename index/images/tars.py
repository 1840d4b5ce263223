"""Uncompressed tars, read by offset: (name, bytes) pairs -> tar -> (name, offset, size)."""

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from unprompt.index.base.errors import DamagedFileError

END_MARK = bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class TarMember:
    """The position of one file's bytes in an uncompressed tar."""

    name: str
    offset: int
    size: int


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) pairs as USTAR, without times and owners: same files, same bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            _drop_headers(tar)


def tar_members(path: Path) -> Iterator[TarMember]:
    """The complete files of a tar; then raises DamagedFileError if it is truncated or damaged."""
    whole = 0
    try:
        with path.open("rb") as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            size_bytes = os.fstat(handle.fileno()).st_size
            while (entry := tar.next()) is not None:
                _drop_headers(tar)
                # tarfile loops forever on a negative size
                if entry.size < 0 or entry.offset_data + entry.size > size_bytes:
                    raise DamagedFileError(
                        f"{path} is cut short or broken after {whole} whole files, in {entry.name}"
                    )
                if entry.isreg() and not entry.issparse():
                    whole += 1
                    yield TarMember(entry.name, entry.offset_data, entry.size)
            # tarfile takes a damaged header between two members for the end of the tar
            handle.seek(tar.offset)
            if handle.read(tarfile.BLOCKSIZE) != END_MARK:
                raise DamagedFileError(
                    f"{path} is cut short or broken after {whole} whole members: "
                    "the mark that ends a tar is missing"
                )
    except tarfile.TarError as error:
        raise DamagedFileError(
            f"{path} is not a whole uncompressed tar ({error}) after {whole} whole members"
        ) from error
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error


def read_member(path: Path, member: TarMember) -> bytes:
    """The bytes of one member, read from its offset."""
    try:
        with path.open("rb") as handle:
            handle.seek(member.offset)
            content = handle.read(member.size)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(content) != member.size:
        raise DamagedFileError(f"{path} is cut short inside {member.name}")
    return content


def _drop_headers(tar: tarfile.TarFile) -> None:
    """Drop the headers that were read so far: tarfile keeps them all, 1 kB per member."""
    tar.members.clear()  # type: ignore[attr-defined]
