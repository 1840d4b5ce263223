"""Files to a plain tar and back, by offset: (name, bytes) -> tar -> (name, offset, size)."""

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
    """Where one file's bytes lie in an uncompressed tar."""

    name: str
    offset: int
    size: int


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, content) in order as USTAR without times or owners: same files, same bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            _forget(tar)


def tar_members(path: Path) -> Iterator[TarMember]:
    """The whole files of the tar; then, where it is cut or broken, raises DamagedFileError."""
    whole = 0
    try:
        with path.open("rb") as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            size_bytes = os.fstat(handle.fileno()).st_size
            while (entry := tar.next()) is not None:
                _forget(tar)
                # a size below zero would send tarfile round for ever
                if entry.size < 0 or entry.offset_data + entry.size > size_bytes:
                    raise DamagedFileError(
                        f"{path} is cut short or broken after {whole} whole files, in {entry.name}"
                    )
                if entry.isreg() and not entry.issparse():
                    whole += 1
                    yield TarMember(entry.name, entry.offset_data, entry.size)
            # tarfile takes a cut or a broken header between two members for the end
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
    """One member's bytes, read straight from its offset."""
    try:
        with path.open("rb") as handle:
            handle.seek(member.offset)
            content = handle.read(member.size)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read ({error.strerror or error})") from error
    if len(content) != member.size:
        raise DamagedFileError(f"{path} is cut short inside {member.name}")
    return content


def _forget(tar: tarfile.TarFile) -> None:
    """Drop the headers passed so far: tarfile keeps every one, 1 kB a member."""
    tar.members.clear()  # type: ignore[attr-defined]
