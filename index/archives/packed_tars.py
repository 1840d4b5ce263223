"""Compressed tars (.tar.gz, .tgz, .tar.bz2, .tar.xz) -> plain tars in temporary files."""

import bz2
import gzip
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import DamagedFileError

OPENERS: dict[str, Callable[[str], Any]] = {
    ".tar.gz": lambda path: gzip.open(path, "rb"),
    ".tgz": lambda path: gzip.open(path, "rb"),
    ".tar.bz2": lambda path: bz2.open(path, "rb"),
    ".tbz2": lambda path: bz2.open(path, "rb"),
    ".tar.xz": lambda path: lzma.open(path, "rb"),
    ".txz": lambda path: lzma.open(path, "rb"),
}
PACKED = tuple(OPENERS)
KEPT = 4  # unpacked tars at a time
BLOCK = 1 << 20
MOST_TIMES, LEAST = 200, 64 * 2**20  # bytes unpacked per byte packed; always allowed
FREE = 256 * 2**20  # bytes that stay free on the disk of temporary files
BROKEN = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError)


def unpacked(path: Path) -> Path:
    """A plain tar with the content of a packed one, as far as it is whole.

    It is a temporary file of this process, made once and removed when others take its place, or
    when the process ends. Raises DamagedFileError if the tar cannot be read, or grows too large.
    """
    try:
        stat = path.stat()
        return Path(_unpack_once(str(path), stat.st_mtime_ns, stat.st_size).name)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be unpacked ({error.strerror or error})") from error


@lru_cache(maxsize=KEPT)
def _unpack_once(path: str, changed: int, size: int) -> Any:
    suffix = next(suffix for suffix in PACKED if path.lower().endswith(suffix))
    free = shutil.disk_usage(tempfile.gettempdir()).free - FREE
    most = min(max(LEAST, size * MOST_TIMES), free)
    target = tempfile.NamedTemporaryFile(prefix="unprompt-", suffix=".tar")  # noqa: SIM115
    count = 0
    try:
        with OPENERS[suffix](path) as source:
            while block := source.read(BLOCK):
                count += len(block)
                if count > most:
                    target.close()
                    raise DamagedFileError(
                        f"{path} is larger than {most / 2**20:.0f} MiB when it is unpacked; unpack "
                        "it yourself and name the tar"
                    )
                target.write(block)
    except BROKEN:
        pass  # what is whole can be used; the end of the tar is missing, which its reader tells
    target.flush()
    return target
