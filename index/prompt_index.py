"""The prompt index: query keys (q, d_image) -> the k nearest known renders and their prompts.

A folder of `index.faiss`, `rows.parquet`, `targets.npy` (n, d_prompt) fp16, `keys.npy` (n, d_image)
fp16 where they are kept, and `manifest.json`.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.encoders import check_same_space, to_unit_length
from unprompt.index.errors import DamagedFileError, UnpromptError
from unprompt.index.faiss_library import load_faiss
from unprompt.index.manifest import IndexManifest, check_files, read_index_manifest
from unprompt.index.tables import ROWS, read_table

VECTORS, ROWS_FILE, TARGETS = "index.faiss", "rows.parquet", "targets.npy"
KEYS = "keys.npy"  # as they went in, before the index' own transform
REMEDY = "Rebuild the index with `unprompt build CONFIG --stage index`, or fetch it again."
MEAN_BLOCK = 65_536  # rows read at a time
DIGEST_LIMIT_BYTES = 64 * 2**20  # an index file up to this size is hashed at every load


class Neighbors(NamedTuple):
    """The k best rows a query, best first; rows are -1 where there are fewer than k."""

    scores: np.ndarray  # (q, k) float32, cosine in the index' space
    rows: np.ndarray  # (q, k) int64


class PromptIndex:
    """A loaded index; targets stay on disk and only the rows touched are read."""

    def __init__(self, folder: Path, manifest: IndexManifest, vectors: Any, targets: np.ndarray):
        self.folder = folder
        self.manifest = manifest
        self.targets = targets
        self._vectors = vectors

    @classmethod
    def load(cls, folder: Path) -> "PromptIndex":
        """Open an index; raises DamagedFileError naming the file that is not what was written."""
        manifest = read_index_manifest(folder)
        check_files(folder, manifest.files, digests=False, remedy=REMEDY)
        small = {
            name: record
            for name, record in manifest.files.items()
            if record.size_bytes <= DIGEST_LIMIT_BYTES
        }
        check_files(folder, small, digests=True, remedy=REMEDY)
        try:
            vectors = load_faiss().read_index(str(folder / VECTORS))
            targets = np.load(folder / TARGETS, mmap_mode="r", allow_pickle=False)
        except (RuntimeError, ValueError, OSError) as error:
            raise DamagedFileError(
                f"an index file in {folder} is broken: {error}. {REMEDY}"
            ) from error
        if vectors.ntotal != manifest.ntotal or len(targets) != manifest.ntotal:
            raise DamagedFileError(
                f"{folder}: the manifest says {manifest.ntotal} rows, {VECTORS} has "
                f"{vectors.ntotal} and {TARGETS} has {len(targets)}. {REMEDY}"
            )
        wanted, got = (manifest.dim, manifest.target_dim), (vectors.d, *targets.shape[1:])
        if got != wanted:
            raise DamagedFileError(
                f"{folder}: the manifest says keys and targets of {wanted} numbers, {VECTORS} and "
                f"{TARGETS} have {got}. {REMEDY}"
            )
        return cls(folder, manifest, vectors, targets)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """ROWS, in the order of the targets."""
        table = read_table(self.folder / ROWS_FILE, ROWS)
        if table.height != self.manifest.ntotal:
            raise DamagedFileError(
                f"{self.folder / ROWS_FILE} has {table.height} rows, the manifest says "
                f"{self.manifest.ntotal}. {REMEDY}"
            )
        return table

    @cached_property
    def prompt_ids(self) -> np.ndarray:
        """(n,) uint64, the prompt of every row."""
        return self.rows["prompt_id"].to_numpy()

    @cached_property
    def mean_target(self) -> np.ndarray:
        """The mean of all target vectors, at unit length: (d_prompt,) float32."""
        total = np.zeros(self.manifest.target_dim, dtype=np.float64)
        for start in range(0, len(self.targets), MEAN_BLOCK):
            total += self.targets[start : start + MEAN_BLOCK].astype(np.float32).sum(axis=0)
        return to_unit_length(total[None])[0].astype(np.float32)

    def check_encoder(self, space: str) -> None:
        """Refuse keys of another encoder; raises SpaceMismatchError."""
        check_same_space(
            self.manifest.space,
            space,
            "the encoder",
            f"Use the encoder {self.folder} was built with, or rebuild it: `unprompt build`.",
        )

    def search(self, keys: np.ndarray, k: int) -> Neighbors:
        """The k nearest rows of each key (q, d_image); raises UnpromptError for a wrong shape."""
        if keys.ndim != 2 or keys.shape[1] != self.manifest.dim:
            raise UnpromptError(f"keys have shape {keys.shape}, wanted (q, {self.manifest.dim})")
        found = min(k, self.manifest.ntotal)
        scores, row_ids = self._vectors.search(np.ascontiguousarray(keys, dtype=np.float32), found)
        rows = self._rows_of(row_ids)
        if found < k:
            padding = ((0, 0), (0, k - found))
            scores = np.pad(scores, padding, constant_values=-np.inf)
            rows = np.pad(rows, padding, constant_values=-1)
        return Neighbors(np.where(rows < 0, -np.inf, scores).astype(np.float32), rows)

    def keys_of(self, rows: np.ndarray) -> np.ndarray:
        """The stored keys of rows (q, k), in the space they are compared in: (q, k, d) float32.

        Zeros where a row is -1. Codes are decoded, so that they differ a little from what went in.
        """
        faiss = load_faiss()
        stored = faiss.downcast_index(self._vectors.index)
        if isinstance(stored, faiss.IndexPreTransform):
            stored = faiss.downcast_index(stored.index)
        if isinstance(stored, faiss.IndexIVF):
            stored.make_direct_map()
        wanted = np.ascontiguousarray(np.maximum(rows, 0).ravel(), dtype=np.int64)
        keys = stored.reconstruct_batch(wanted).reshape(*rows.shape, -1)
        return np.where((rows >= 0)[..., None], keys, np.float32(0.0))

    def verify(self) -> None:
        """Hash every file; raises DamagedFileError naming the first that changed."""
        check_files(self.folder, self.manifest.files, digests=True, remedy=REMEDY)

    @cached_property
    def _row_order(self) -> tuple[np.ndarray, np.ndarray]:
        row_ids = self.rows["row_id"].to_numpy()
        order = np.argsort(row_ids)
        return row_ids[order], order

    def _rows_of(self, row_ids: np.ndarray) -> np.ndarray:
        ordered, order = self._row_order
        places = np.searchsorted(ordered, row_ids).clip(max=len(ordered) - 1)
        known = (row_ids >= 0) & (ordered[places] == row_ids)
        if np.any(~known & (row_ids >= 0)):
            raise DamagedFileError(
                f"{self.folder / VECTORS} returns ids that {ROWS_FILE} does not list. {REMEDY}"
            )
        return np.where(known, order[places], -1).astype(np.int64)
