"""Changing an index in place: new files beside the old ones, then the manifest, then those go.

A reader opens the files that the manifest names and holds them open, so that it has one generation
whole. A writer that dies leaves the generation that was, and files that the next one removes.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from unprompt.index.base.errors import UnpromptError
from unprompt.index.store.manifest import IndexManifest, read_index_manifest

OURS = re.compile(
    r"(index|lists|rows|targets|keys|lengths|removed)(\.\d{5})?\.(faiss|ivfdata|parquet|npy|sqlite)(\.tmp)?"
)


@contextmanager
def change_index(folder: Path) -> Iterator[IndexManifest]:
    """The manifest of an index that no other writer changes meanwhile.

    Raises UnpromptError where another one does.
    """
    with _locked(folder):
        before = read_index_manifest(folder)
        sweep(folder, before)
        try:
            yield before
        finally:
            sweep(folder, read_index_manifest(folder))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it does."""
    try:
        import fcntl
    except ImportError:  # Windows: writers are not kept apart there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UnpromptError(
            f"{folder} is being changed by another process; run the command again when it is done"
        ) from error
    finally:
        os.close(handle)


def sweep(folder: Path, manifest: IndexManifest) -> None:
    """Remove what belongs to other generations."""
    sweep_all_but(folder, manifest.files)


def sweep_all_but(folder: Path, names: Collection[str]) -> None:
    """Remove all files of an index but these."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) and path.name not in names:
            path.unlink(missing_ok=True)
