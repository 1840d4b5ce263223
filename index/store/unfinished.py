"""What an index' folder holds while it is built: its keys in a file, and INDEX/unfinished.

A killed build leaves both, and the next one goes on with them; one that is refused leaves nothing.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError
from unprompt.index.engines.engine import EngineConfig
from unprompt.index.search.filling import PART, Filling
from unprompt.index.store.generations import sweep_all_but
from unprompt.index.store.index_files import KEYS
from unprompt.index.store.manifest import MANIFEST, read_index_manifest
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.matrix_files import open_matrix, write_matrix

UNFINISHED = "unfinished"


def place_keys(
    folder: Path, keys: Matrix, kept: str | None, engine: EngineConfig, on_disk: bool = False
) -> tuple[Matrix, Filling | None]:
    """Keys (n, d_image) to build from, and where many of them are filled in parts.

    Keys in memory are used as they are; others from one file: the one that is `kept`, or a copy.
    `on_disk`: lists may have to stay there, so that all is done in parts.
    """
    if type(keys) is np.ndarray and not on_disk:
        return keys, None
    path = folder / UNFINISHED / KEYS if kept is None else folder / kept
    if kept is None:
        write_matrix(path, keys, np.float16)
    filling = None
    if on_disk or len(keys) > PART:
        work, identity = folder / UNFINISHED / "parts", digest_file(path)
        filling = Filling(work, path, identity, engine, PART)
    return open_matrix(path), filling


def discard_work(folder: Path) -> None:
    """Delete what only a killed build would have needed."""
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)


@contextmanager
def undone_if_refused(folder: Path) -> Iterator[None]:
    """Leave the folder as it was where settings are refused: other ones may be tried then."""
    try:
        yield
    except ConfigError:
        finished = (folder / MANIFEST).is_file()
        discard_work(folder)
        sweep_all_but(folder, read_index_manifest(folder).files if finished else ())
        with suppress(OSError):
            folder.rmdir()  # where nothing else is in it
        raise
