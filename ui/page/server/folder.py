"""A folder for uploads that is gone when the page has stopped, also after a kill."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from unprompt.index.base.processes.stopping import last_act

PREFIX = "unprompt-demo-"
TRIES = 20
LOCK = ".lock"  # held by the process whose folder it is


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that only this user can read. It and those of killed pages are deleted."""
    _remove_abandoned(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    files = folder / "files"
    files.mkdir()
    with last_act(partial(_remove, folder)):  # until it is gone
        try:
            with (folder / LOCK).open("w") as lock:
                _lock(lock)
                yield files
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Delete a folder into which an answer that is under way may write once more."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _remove_abandoned(parent: Path) -> None:
    """Delete the folders of this user's pages whose processes are gone."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("r+") as lock:
                _lock(lock)
                shutil.rmtree(folder, ignore_errors=True)


def _lock(file: IO[str]) -> None:
    """Lock a file until its process ends, however it ends; raises OSError if another holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: no lock there, and no file is deleted while it is open
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
