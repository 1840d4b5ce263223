"""The prompt index: query keys (q, d_image) -> the k nearest known renders and their prompts.

A folder of `index.faiss`, `rows.parquet`, `targets.npy` (n, d_prompt) fp16, `keys.npy` (n, d_image)
fp16 where they are kept, and `manifest.json`, which says what is the generation that counts.
"""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.encoders import check_same_space, to_unit_length
from unprompt.index.errors import DamagedFileError, UnpromptError
from unprompt.index.faiss_library import load_faiss
from unprompt.index.manifest import IndexManifest, check_files, read_index_manifest
from unprompt.index.refine import refine
from unprompt.index.segments import RowFiles, join_rows
from unprompt.index.transforms import gather_keys, transforms

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
    """One generation of an index, whole whatever writers do; removed rows are not counted.

    Of targets and keys only the rows that are touched are read.
    """

    def __init__(self, folder: Path, manifest: IndexManifest):
        """Open the files that `manifest` names; `load` is what finds them."""
        self.folder = folder
        self.manifest = manifest
        segments = manifest.segments
        try:
            self.vectors = load_faiss().read_index(str(folder / manifest.vectors))
            targets = [_open_array(folder / segment.targets) for segment in segments]
            keys = [_open_array(folder / s.keys) for s in segments if s.keys is not None]
            self._files = RowFiles([folder / segment.rows for segment in segments])
            self._live = self._read_live()
        except (RuntimeError, ValueError, OSError, EOFError) as error:
            raise DamagedFileError(
                f"an index file in {folder} is broken: {error}. {REMEDY}"
            ) from error
        self._check_sizes(targets, keys)
        self.targets = join_rows(targets, self._live)
        whole = len(keys) == len(segments)
        self.keys = join_rows(keys, self._live) if whole else None  # (n, d_image) as they went in

    @classmethod
    def load(cls, folder: Path) -> "PromptIndex":
        """Open an index; raises DamagedFileError naming the file that is not what was written."""
        manifest = read_index_manifest(folder)
        while True:
            try:
                _check(folder, manifest)
                return cls(folder, manifest)
            except DamagedFileError:
                # A writer may have switched to another generation since the manifest was read.
                newer = read_index_manifest(folder)
                if newer.generation == manifest.generation:
                    raise
                manifest = newer

    def _read_live(self) -> np.ndarray | None:
        """The places of the rows that count, None for all of them."""
        if self.manifest.removed is None:
            return None
        removed = np.load(self.folder / self.manifest.removed, allow_pickle=False)
        return np.delete(np.arange(self.manifest.stored), removed)

    def _check_sizes(self, targets: list[np.ndarray], keys: list[np.ndarray]) -> None:
        manifest = self.manifest
        counts = [len(block) for block in targets]
        if self.vectors.ntotal != manifest.stored or counts != [s.count for s in manifest.segments]:
            raise DamagedFileError(
                f"{self.folder}: the manifest says {manifest.stored} rows, {manifest.vectors} has "
                f"{self.vectors.ntotal} and {TARGETS} has {sum(counts)}. {REMEDY}"
            )
        wanted = (manifest.dim, manifest.target_dim)
        for block in targets:
            got = (self.vectors.d, *block.shape[1:])
            if got != wanted:
                raise DamagedFileError(
                    f"{self.folder}: the manifest says keys and targets of {wanted} numbers, "
                    f"{manifest.vectors} and {TARGETS} have {got}. {REMEDY}"
                )
        kept = [(s.count, manifest.dim) for s in manifest.segments if s.keys is not None]
        if [block.shape for block in keys] != kept:
            raise DamagedFileError(f"{self.folder}: {KEYS} has another shape than {kept}. {REMEDY}")

    @cached_property
    def rows(self) -> pl.DataFrame:
        """ROWS, in the order of the targets."""
        table = self._files.read(self._live)
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
        queries = np.ascontiguousarray(keys, dtype=np.float32)
        found = min(k, self.manifest.ntotal)
        scores, rows = self._search_refined(queries, found)
        if found < k:
            padding = ((0, 0), (0, k - found))
            scores = np.pad(scores, padding, constant_values=-np.inf)
            rows = np.pad(rows, padding, constant_values=-1)
        return Neighbors(np.where(rows < 0, -np.inf, scores).astype(np.float32), rows)

    def _search_refined(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the index was tuned so, the best k of more candidates by the keys that are kept."""
        factor = self.manifest.effort.refine
        if factor == 0 or self.keys is None:
            return self._search_live(queries, k)
        candidates = self._search_live(queries, min(factor * k, self.manifest.ntotal))[1]
        return refine(queries, candidates, self.keys, transforms(self.vectors), k)

    def _search_live(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows that count; more are fetched where removed ones stand before them."""
        fetched = k
        while True:
            scores, places = self.vectors.search(queries, fetched)
            if self._live is None:
                return scores, places
            rows = self._rows_of(places)
            enough = (rows >= 0).sum(axis=1) >= k
            exhausted = places[:, -1] < 0  # FAISS has no more to give
            if fetched >= self.manifest.stored or np.all(enough | exhausted):
                order = np.argsort(rows < 0, axis=1, kind="stable")[:, :k]
                return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
            fetched = min(2 * fetched, self.manifest.stored)

    def keys_of(self, rows: np.ndarray) -> np.ndarray:
        """The stored keys of rows (q, k), in the space they are compared in: (q, k, d) float32.

        Zeros where a row is -1. Without kept keys codes are decoded, which differ a little from
        what went in.
        """
        if self.keys is not None:
            touched, places = np.unique(np.maximum(rows, 0), return_inverse=True)
            found = gather_keys(self.keys, touched, transforms(self.vectors))
            found = found[places.reshape(rows.shape)]
            return np.where((rows >= 0)[..., None], found, np.float32(0.0))
        faiss = load_faiss()
        stored = faiss.downcast_index(self.vectors)
        if isinstance(stored, faiss.IndexPreTransform):
            stored = faiss.downcast_index(stored.index)
        if isinstance(stored, faiss.IndexIVF):
            stored.make_direct_map()
        wanted = np.ascontiguousarray(np.maximum(rows, 0).ravel(), dtype=np.int64)
        wanted = wanted if self._live is None else self._live[wanted]
        keys = stored.reconstruct_batch(wanted).reshape(*rows.shape, -1)
        return np.where((rows >= 0)[..., None], keys, np.float32(0.0))

    def places_removed(self, leaving: np.ndarray) -> np.ndarray:
        """Places of all removed rows, those marked in `leaving` (n,) among them, sorted."""
        every = np.arange(self.manifest.stored)
        live = every if self._live is None else self._live
        return np.setdiff1d(every, live[~leaving])

    def verify(self) -> None:
        """Hash every file; raises DamagedFileError naming the first that changed."""
        check_files(self.folder, self.manifest.files, digests=True, remedy=REMEDY)

    def _rows_of(self, places: np.ndarray) -> np.ndarray:
        """Ids of FAISS -> rows, -1 where a row was removed or there is none."""
        if self._live is None:
            return places
        rows = np.searchsorted(self._live, places).clip(max=len(self._live) - 1)
        return np.where(self._live[rows] == places, rows, -1)


def _check(folder: Path, manifest: IndexManifest) -> None:
    """Every file is there, and the small ones are what was written."""
    small = {
        name: record
        for name, record in manifest.files.items()
        if record.size_bytes <= DIGEST_LIMIT_BYTES
    }
    check_files(folder, manifest.files, digests=False, remedy=REMEDY)
    check_files(folder, small, digests=True, remedy=REMEDY)


def _open_array(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
