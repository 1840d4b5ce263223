"""One generation of an index on disk -> its files, open and of the sizes that its manifest says.

`index.faiss`, `rows.parquet` (with `rows.sqlite` where there are many), `targets.npy` (n, d_prompt)
fp16, `keys.npy` (n, d_image) fp16 where they are kept. All are mapped or read as they are touched.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.search.faiss_files import read_vectors
from unprompt.index.store.manifest import IndexManifest, check_files
from unprompt.index.store.segments import RowFiles
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import Matrix, join_rows
from unprompt.index.vectors.matrix_files import open_matrix

VECTORS, ROWS_FILE, TARGETS = "index.faiss", "rows.parquet", "targets.npy"
KEYS = "keys.npy"  # as they went in, before the index' own transform
LISTS = "lists.ivfdata"  # of the FAISS file, where they are too large for memory
LOOKUP, LENGTHS, REMOVED = "rows.sqlite", "lengths.npy", "removed.npy"
REMEDY = "Rebuild the index with `unprompt build CONFIG --stage index`, or fetch it again."
DIGEST_LIMIT_BYTES = 64 * 2**20  # an index file up to this size is hashed at every load


class IndexFiles:
    """The open files of one generation; they may be deleted while they are still read."""

    def __init__(self, folder: Path, manifest: IndexManifest, changing: bool):
        """Raises DamagedFileError naming the file that is not what was written."""
        self._folder, self._manifest = folder, manifest
        segments = manifest.segments
        try:
            vectors = folder / manifest.vectors
            lists = None if manifest.lists is None else folder / manifest.lists
            self.vectors: Any = read_vectors(vectors, manifest.factory, changing, lists)
            self.live = self._read_live()
            targets = [open_matrix(folder / segment.targets) for segment in segments]
            keys = [open_matrix(folder / s.keys) for s in segments if s.keys is not None]
            lengths = [open_matrix(folder / s.lengths) for s in segments if s.lengths is not None]
            tables = [folder / segment.rows for segment in segments]
            lookups = [None if s.lookup is None else folder / s.lookup for s in segments]
            self.rows = RowFiles(tables, lookups, self.live)
        except (RuntimeError, ValueError, OSError, EOFError) as error:
            raise DamagedFileError(
                f"an index file in {folder} is broken: {error}. {REMEDY}"
            ) from error
        self._check_sizes(targets, keys, lengths)
        self.ends = np.cumsum([segment.count for segment in segments])
        self.targets = join_rows(targets, self.live)
        self.keys = self._whole(keys)  # (n, d_image) as they went in
        self.lengths = self._whole(lengths)  # (n, 1)

    def _whole(self, blocks: Sequence[np.ndarray]) -> Matrix | None:
        """None where a segment does not keep it."""
        return join_rows(blocks, self.live) if len(blocks) == len(self._manifest.segments) else None

    def _read_live(self) -> LiveRows:
        if self._manifest.removed is None:
            return LiveRows(self._manifest.stored)
        removed = np.load(self._folder / self._manifest.removed, allow_pickle=False)
        return LiveRows(self._manifest.stored, removed)

    def _check_sizes(
        self,
        targets: Sequence[np.ndarray],
        keys: Sequence[np.ndarray],
        lengths: Sequence[np.ndarray],
    ) -> None:
        manifest, folder = self._manifest, self._folder
        counts = [len(block) for block in targets]
        if self.vectors.ntotal != manifest.stored or counts != [s.count for s in manifest.segments]:
            raise DamagedFileError(
                f"{folder}: the manifest says {manifest.stored} rows, {manifest.vectors} has "
                f"{self.vectors.ntotal} and {TARGETS} has {sum(counts)}. {REMEDY}"
            )
        wanted = (manifest.dim, manifest.target_dim)
        for block in targets:
            got = (self.vectors.d, *block.shape[1:])
            if got != wanted:
                raise DamagedFileError(
                    f"{folder}: the manifest says keys and targets of {wanted} numbers, "
                    f"{manifest.vectors} and {TARGETS} have {got}. {REMEDY}"
                )
        kept = [(s.count, manifest.dim) for s in manifest.segments if s.keys is not None]
        if [block.shape for block in keys] != kept:
            raise DamagedFileError(f"{folder}: {KEYS} has another shape than {kept}. {REMEDY}")
        measured = [(s.count, 1) for s in manifest.segments if s.lengths is not None]
        if [block.shape for block in lengths] != measured:
            raise DamagedFileError(
                f"{folder}: {LENGTHS} has another shape than {measured}. {REMEDY}"
            )


def check_generation(folder: Path, manifest: IndexManifest) -> None:
    """Every file is there, and the small ones are what was written; else DamagedFileError."""
    small = {
        name: record
        for name, record in manifest.files.items()
        if record.size_bytes <= DIGEST_LIMIT_BYTES
    }
    check_files(folder, manifest.files, digests=False, remedy=REMEDY)
    check_files(folder, small, digests=True, remedy=REMEDY)
