"""The user's cache folder: a name <-> bytes that can be computed again.

Reading a missing or damaged entry gives None, and a folder that cannot be written caches nothing:
neither is an error.
"""

import mmap
import os
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import digest_file, digest_json, write_atomically
from unprompt.index.base.errors import UnpromptError

CHECKSUM_BYTES = 4  # crc32, after the content
READ_BYTES = 2**20
DIGEST, MAX_DIGESTS = "digest-", 64


def cache_folder() -> Path:
    """The cache folder, $XDG_CACHE_HOME/unprompt; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unprompt"


def read_cached(name: str) -> np.ndarray | None:
    """The content of an entry (n,) uint8, memory-mapped; None if it is missing or damaged."""
    try:
        with (cache_folder() / name).open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size - CHECKSUM_BYTES
            if size <= 0 or not _is_whole(handle, size):
                return None
            # copy on write: no page is copied unless it is written to
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
            os.utime(handle.fileno())  # `write_cached` removes the least recently used
    except (OSError, ValueError):
        return None
    return np.frombuffer(mapped, dtype=np.uint8, count=size)


def drop_pages(content: np.ndarray) -> None:
    """Free the memory of content from `read_cached`; a later access reads from disk again.

    Changes made to the content are lost.
    """
    mapped = content.base.obj if isinstance(content.base, memoryview) else content.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def write_cached(name: str, content: bytes, prefix: str, limit: int) -> None:
    """Write an entry atomically; of the names that begin with `prefix`, the `limit` latest stay."""
    checksum = zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "big")
    try:
        with write_atomically(cache_folder() / name) as temporary:
            with temporary.open("wb") as handle:
                handle.write(content)
                handle.write(checksum)
        found = cache_folder().glob(f"{prefix}*")
        for old in sorted(found, key=lambda path: path.stat().st_mtime)[:-limit]:
            old.unlink(missing_ok=True)
    except (UnpromptError, OSError):
        return


def cached_digest(path: Path) -> str:
    """sha256 of a large file in hex, cached until its path, size, inode or a timestamp changes."""
    found = path.stat()
    state = [str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    name = DIGEST + digest_json(state)[:32]
    cached = read_cached(name)
    if cached is not None:
        return cached.tobytes().decode("ascii")
    digest = digest_file(path)
    write_cached(name, digest.encode("ascii"), DIGEST, MAX_DIGESTS)
    return digest


def _is_whole(handle: BufferedReader, size: int) -> bool:
    """Whether the checksum holds; read without the map, whose pages would stay in memory."""
    checksum, left = 0, size
    block = memoryview(bytearray(READ_BYTES))
    while left > 0:
        count = handle.readinto(block[: min(READ_BYTES, left)])
        if not count:
            return False
        checksum = zlib.crc32(block[:count], checksum)
        left -= count
    return handle.read() == checksum.to_bytes(CHECKSUM_BYTES, "big")


def is_writable() -> bool:
    """Whether the cache folder can be written."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache_folder(), os.W_OK)
