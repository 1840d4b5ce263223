"""Checks of large files, which the cache folder remembers for as long as a file is the same."""

from collections.abc import Callable
from pathlib import Path

from unprompt.index.base.durable import digest_json
from unprompt.index.runtime.cache import read_cached, write_cached

LARGE = 64 * 2**20  # bytes
PREFIX, KEPT = "checked-", 256


def check_once(path: Path, what: str, check: Callable[[], None]) -> None:
    """Run `check`, which raises where it fails; a large file that passed is not checked again."""
    found = path.stat()
    if found.st_size < LARGE:
        check()
        return
    state = [str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, what]
    name = PREFIX + digest_json(state)[:32]
    if read_cached(name) is None:
        check()
        write_cached(name, b"passed", PREFIX, KEPT)
