"""Content that can be made again, kept in the user's cache folder: a name <-> bytes, mapped.

A cache is never needed: what is missing, damaged or cannot be written is None, and no error.
"""

import mmap
import os
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import digest_file, digest_json, write_atomically
from unprompt.index.base.errors import UnpromptError

CHECKSUM_BYTES = 4  # crc32, behind the content
READ_BYTES = 2**20
DIGEST, MOST_DIGESTS = "digest-", 64


def cache_folder() -> Path:
    """Where things are kept that can be made again: $XDG_CACHE_HOME/unprompt."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unprompt"


def read_kept(name: str) -> np.ndarray | None:
    """The content (n,) uint8, read from disk as it is touched; None where it is not whole."""
    try:
        with (cache_folder() / name).open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size - CHECKSUM_BYTES
            if size <= 0 or not _is_whole(handle, size):
                return None
            # a private copy in the system's terms: no page is copied unless it is written to
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
            os.utime(handle.fileno())  # it was of use: `keep` drops what was not for longest
    except (OSError, ValueError):
        return None
    return np.frombuffer(mapped, dtype=np.uint8, count=size)


def let_go(content: np.ndarray) -> None:
    """Content that `read_kept` gave leaves memory; what is touched again is read again.

    Only for content that nobody has written to: that would be lost.
    """
    mapped = content.base.obj if isinstance(content.base, memoryview) else content.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def keep(name: str, content: bytes, alike: str, most: int) -> None:
    """Write the content whole or not at all; of the names that begin alike the latest stay."""
    checksum = zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")
    try:
        with write_atomically(cache_folder() / name, shared=True) as temporary:
            with temporary.open("wb") as handle:
                handle.write(content)
                handle.write(checksum)
        found = cache_folder().glob(f"{alike}*")
        for old in sorted(found, key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink(missing_ok=True)
    except (UnpromptError, OSError):
        return


def remembered_digest(path: Path) -> str:
    """sha256 in hex of a large file, read again only where its size or a time of it has changed."""
    found = path.stat()
    state = [str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    name = DIGEST + digest_json(state)[:32]
    kept = read_kept(name)
    if kept is not None:
        return kept.tobytes().decode("ascii")
    digest = digest_file(path)
    keep(name, digest.encode("ascii"), DIGEST, MOST_DIGESTS)
    return digest


def _is_whole(handle: BufferedReader, size: int) -> bool:
    """Whether the content is what was written; not by the map, whose pages would stay in memory."""
    checksum, left = 0, size
    block = memoryview(bytearray(READ_BYTES))
    while left > 0:
        count = handle.readinto(block[: min(READ_BYTES, left)])
        if not count:
            return False
        checksum = zlib.crc32(block[:count], checksum)
        left -= count
    return handle.read() == checksum.to_bytes(CHECKSUM_BYTES, "big")


def can_keep() -> bool:
    """Whether there is a folder to write to."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache_folder(), os.W_OK)
