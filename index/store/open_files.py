"""The manifest of an index -> its files, open, with the sizes that the manifest says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError, UnpromptError
from unprompt.index.base.machine import shortage
from unprompt.index.base.safe.arrays import check_finite, load_array
from unprompt.index.sealed.records import check_files
from unprompt.index.sealed.remembered import check_once
from unprompt.index.search.faiss_files import read_vectors
from unprompt.index.store.manifest import (
    KEYS,
    LENGTHS,
    PROMPT_KEYS,
    TARGETS,
    VECTORS,
    IndexManifest,
)
from unprompt.index.store.rows import RowFiles
from unprompt.index.vectors.decoded_rows import DecodedRows
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import Matrix, join_rows, open_matrix

REMEDY = "Rebuild the index with `unprompt build CONFIG --stage index`, or fetch it again."


class OpenFiles:
    """The open files of one generation, mapped into memory or read where they are touched.

    They stay readable after a writer deletes them.
    """

    def __init__(self, folder: Path, manifest: IndexManifest, writable: bool):
        """`writable`: rows will be added to the FAISS index.

        Raises DamagedFileError naming the file that is not what was written, and UnpromptError
        where there is too little memory.
        """
        self._folder, self._manifest = folder, manifest
        segments = manifest.segments
        removed = None if manifest.removed is None else _read_removed(folder, manifest)
        self.live = LiveRows(manifest.stored, removed)
        targets = [_open(folder / s.targets) for s in segments if s.targets is not None]
        keys = [_open(folder / s.keys) for s in segments if s.keys is not None]
        lengths = [_open(folder / s.lengths) for s in segments if s.lengths is not None]
        try:
            lists = None if manifest.lists is None else folder / manifest.lists
            self.vectors: Any = read_vectors(
                folder / manifest.vectors, manifest.factory, writable, lists
            )
            self.rows = RowFiles(
                [folder / segment.rows for segment in segments],
                [None if s.lookup is None else folder / s.lookup for s in segments],
                [segment.count for segment in segments],
                self.live,
            )
        except (RuntimeError, ValueError, OSError, EOFError, MemoryError) as error:
            if lack := shortage(error):
                raise UnpromptError(f"{folder} cannot be opened ({error}); {lack}") from error
            raise DamagedFileError(
                f"an index file in {folder} is broken: {error}. {REMEDY}"
            ) from error
        self._check_sizes(targets, keys, lengths)
        self.targets: Matrix = (
            DecodedRows(self.vectors, self.live)
            if manifest.keys == PROMPT_KEYS
            else join_rows(targets, self.live)
        )
        self.keys = self._if_complete(keys)  # (n, d_image), before transforms
        self.lengths = self._if_complete(lengths)  # (n, 1)

    def _if_complete(self, blocks: Sequence[np.ndarray]) -> Matrix | None:
        """The rows of all segments, or None where a segment lacks them."""
        return join_rows(blocks, self.live) if len(blocks) == len(self._manifest.segments) else None

    def _check_sizes(
        self,
        targets: Sequence[np.ndarray],
        keys: Sequence[np.ndarray],
        lengths: Sequence[np.ndarray],
    ) -> None:
        def shapes(blocks: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
            return [block.shape for block in blocks]

        manifest, segments = self._manifest, self._manifest.segments
        vectors = [(self.vectors.ntotal, self.vectors.d)]
        for name, got, wanted in (
            (VECTORS, vectors, [(manifest.stored, manifest.dim)]),
            (
                TARGETS,
                shapes(targets),
                [(s.count, manifest.target_dim) for s in segments if s.targets],
            ),
            (KEYS, shapes(keys), [(s.count, manifest.dim) for s in segments if s.keys]),
            (LENGTHS, shapes(lengths), [(s.count, 1) for s in segments if s.lengths]),
        ):
            if got != wanted:
                raise DamagedFileError(
                    f"{self._folder}: {name} has the shapes {got}, the manifest says {wanted}. "
                    f"{REMEDY}"
                )


def check_generation(folder: Path, manifest: IndexManifest) -> None:
    """Raise DamagedFileError where a file is missing, cut short or changed."""
    check_files(folder, manifest.files, REMEDY)


def _open(path: Path) -> np.ndarray:
    """Map vectors on disk whose numbers are finite."""
    matrix = open_matrix(path)
    check_once(path, "finite", lambda: check_finite(matrix, path, REMEDY))
    return matrix


def _read_removed(folder: Path, manifest: IndexManifest) -> np.ndarray:
    """The sorted ids of removed rows (r,)."""
    path = folder / str(manifest.removed)
    removed = load_array(path, (1, 2), ("<i8",), REMEDY).ravel()
    ordered = bool((np.diff(removed) > 0).all())
    if not ordered or (len(removed) and not 0 <= removed[0] <= removed[-1] < manifest.stored):
        raise DamagedFileError(
            f"{path} must list ids from 0 to {manifest.stored - 1} in rising order. {REMEDY}"
        )
    if manifest.ntotal != manifest.stored - len(removed):
        raise DamagedFileError(
            f"{path} removes {len(removed)} of {manifest.stored} rows, the manifest counts "
            f"{manifest.ntotal}. {REMEDY}"
        )
    return removed
