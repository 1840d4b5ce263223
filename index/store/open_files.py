"""The manifest of an index -> its files, open, with the sizes that the manifest says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError, UnpromptError
from unprompt.index.base.machine import shortage
from unprompt.index.search.faiss_files import read_vectors
from unprompt.index.store.manifest import (
    KEYS,
    LENGTHS,
    PROMPT_KEYS,
    TARGETS,
    VECTORS,
    IndexManifest,
    check_files,
)
from unprompt.index.store.rows import RowFiles
from unprompt.index.vectors.decoded_rows import DecodedRows
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import Matrix, join_rows, open_matrix

REMEDY = "Rebuild the index with `unprompt build CONFIG --stage index`, or fetch it again."
MAX_DIGEST_BYTES = 64 * 2**20  # index files up to this size are hashed whenever they are opened


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
        try:
            lists = None if manifest.lists is None else folder / manifest.lists
            self.vectors: Any = read_vectors(
                folder / manifest.vectors, manifest.factory, writable, lists
            )
            removed = None if manifest.removed is None else folder / manifest.removed
            self.live = LiveRows(
                manifest.stored,
                None if removed is None else np.load(removed, allow_pickle=False),
            )
            targets = [open_matrix(folder / s.targets) for s in segments if s.targets is not None]
            keys = [open_matrix(folder / s.keys) for s in segments if s.keys is not None]
            lengths = [open_matrix(folder / s.lengths) for s in segments if s.lengths is not None]
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
    """Raise DamagedFileError where a file is missing or cut short, or a small one has changed."""
    check_files(folder, manifest.files, REMEDY, MAX_DIGEST_BYTES)
