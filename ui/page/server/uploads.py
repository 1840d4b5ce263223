"""The folder of uploads and results -> kept small: who uploaded what, and what is deleted when.

All methods are called in the one thread of the server. A file that two visitors upload is one file
on disk, named by its content; it is deleted when the last of them has none of it left.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unprompt.ui.page.server.limits import MIB, Limits
from unprompt.ui.page.server.refusal import Refusal

IN_USE = 60.0  # seconds after an upload in which a newer one does not delete it
MEASURED = 1.0  # seconds for which a measured size of the folder is taken as true
FREE_SHARE = 0.5  # of the free space of the disk, which the page may fill


class Uploads:
    """The files of the page, besides its examples."""

    def __init__(self, folder: Path, limits: Limits, kept: Path) -> None:
        """`kept` is a folder below `folder` that is never cleared."""
        self.folder = folder.resolve()  # as Gradio writes paths
        self._limits = limits
        self._kept = kept.resolve()
        self._owned: dict[tuple[str, str], tuple[float, int]] = {}  # visitor, path: time, bytes
        self._arriving: Counter[str] = Counter()  # bytes of uploads under way, by visitor
        self._measured = (0.0, 0)  # when, bytes

    @contextmanager
    def arriving(self, visitor: str, size: int) -> Iterator[None]:
        """Hold room for an upload of at most `size` bytes; raises Refusal if there is none.

        Older uploads of the same visitor make way.
        """
        allowed = self._limits.visitor_bytes
        if size > allowed:
            raise Refusal(413, f"an upload holds at most {allowed // MIB} MB, got {size // MIB} MB")
        self._make_room(visitor, size)
        self._arriving[visitor] += size
        try:
            yield
        finally:
            self._arriving[visitor] -= size
            if not self._arriving[visitor]:
                del self._arriving[visitor]
            when, measured = self._measured
            self._measured = when, measured + size
            if not self._arriving:
                self._delete_broken_off()

    def add(self, visitor: str, path: Path) -> None:
        """Note that a visitor has uploaded a file."""
        with suppress(OSError):
            size = path.stat().st_size
            self._owned.pop((visitor, str(path)), None)  # again: the order is that of age
            self._owned[visitor, str(path)] = time.monotonic(), size

    def sweep(self) -> None:
        """Delete what is older than `kept_seconds`: uploads, results, leftovers, empty folders."""
        now = time.monotonic()
        for key, (when, _) in list(self._owned.items()):
            if now - when > self._limits.kept_seconds:
                self._drop(key)
        owned = {path for _, path in self._owned}
        for place, _, names in os.walk(self.folder, topdown=False):
            if Path(place).is_relative_to(self._kept):
                continue
            under_way = place == str(self.folder)  # uploads grow there until they are whole
            kept = self._limits.body_seconds if under_way else self._limits.kept_seconds
            oldest = time.time() - kept
            with suppress(OSError):
                old = os.lstat(place).st_mtime < oldest
                for path in (os.path.join(place, name) for name in names):
                    if path not in owned and os.lstat(path).st_mtime < oldest:
                        os.unlink(path)
                        old = True
                if old and place != str(self.folder):
                    os.rmdir(place)  # fails where a file or folder is left

    def _delete_broken_off(self) -> None:
        """Delete what uploads left that ended early; those of whole ones lie in folders."""
        for path in self.folder.iterdir():
            with suppress(OSError):
                if not path.is_dir():
                    path.unlink()

    def _make_room(self, visitor: str, size: int) -> None:
        limit = self._limits.visitor_bytes - self._arriving[visitor] - size
        mine = {key: value for key, value in self._owned.items() if key[0] == visitor}
        taken, now = sum(held for _, held in mine.values()), time.monotonic()
        for key, (when, held) in mine.items():
            if taken <= limit:
                break
            if now - when > IN_USE:
                self._drop(key)
                taken -= held
        if taken > limit:
            raise Refusal(
                429,
                f"the page keeps at most {self._limits.visitor_bytes // MIB} MB of one visitor; "
                "try again in a minute",
                retry=int(IN_USE),
            )
        if self._size() + self._arriving.total() + size > self._limits.total_bytes:
            raise Refusal(
                503,
                f"the page keeps at most {self._limits.total_bytes // MIB} MB of all visitors; "
                "try again in some minutes",
                retry=int(IN_USE),
            )

    def _drop(self, key: tuple[str, str]) -> None:
        """Forget a visitor's file, and delete it if no other visitor has it."""
        self._owned.pop(key, None)
        if not any(path == key[1] for _, path in self._owned):
            with suppress(OSError):
                os.unlink(key[1])
            with suppress(OSError):
                os.rmdir(os.path.dirname(key[1]))

    def _size(self) -> int:
        """The bytes of all files, measured at most once a second."""
        when, size = self._measured
        if time.monotonic() - when > MEASURED:
            size = 0
            for place, _, names in os.walk(self.folder):
                for name in names:
                    with suppress(OSError):
                        size += os.lstat(os.path.join(place, name)).st_size
            self._measured = time.monotonic(), size
        return size


def fitted(limits: Limits, free: int) -> int:
    """The bytes that the page may keep where `free` bytes of the disk are free."""
    return min(limits.total_bytes, int(free * FREE_SHARE))
