"""In-place changes of an index: write new files, then the manifest, then delete the old files.

A reader holds the files of its manifest open, so that it sees one whole generation. A writer that
is killed leaves the previous generation intact, and files that the next writer deletes.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from unprompt.index.base.owner import owned
from unprompt.index.store.manifest import IndexManifest, read_index_manifest

INDEX_FILE = re.compile(
    r"(index|lists|rows|targets|keys|lengths|removed)(\.\d{5})?\.(faiss|ivfdata|parquet|npy|sqlite)(\.[0-9a-f-]+\.tmp)?"
)


@contextmanager
def change_index(folder: Path) -> Iterator[IndexManifest]:
    """Yield the manifest of an index, and keep other writers out meanwhile.

    Raises OutputInUseError where another process changes the index.
    """
    with owned(folder):
        before = read_index_manifest(folder)
        delete_all_but(folder, before.files)
        try:
            yield before
        finally:
            delete_all_but(folder, read_index_manifest(folder).files)


def delete_all_but(folder: Path, names: Collection[str]) -> None:
    """Delete all index files in a folder except those named."""
    for path in folder.iterdir():
        if INDEX_FILE.fullmatch(path.name) and path.name not in names:
            path.unlink(missing_ok=True)
