"""The prompt index: query keys (q, d_image) -> the k nearest rows and their prompts."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.encoders.protocols import check_same_space, to_unit_length
from unprompt.index.sealed.records import check_files
from unprompt.index.search.checked_index import search_checked
from unprompt.index.search.effort import probe_all_lists
from unprompt.index.search.gpu_scan import MAX_K, GpuScan, scan_on_gpus
from unprompt.index.search.refine import FoldedTransforms, KeyScores, fold_transforms, refine
from unprompt.index.store.manifest import (
    ROWS_FILE,
    IndexManifest,
    read_index_manifest,
)
from unprompt.index.store.open_files import REMEDY, check_generation
from unprompt.index.store.open_index import OpenIndex
from unprompt.index.threads.shared_property import shared_property
from unprompt.index.vectors.direct_map import map_ids
from unprompt.index.vectors.faiss_library import one_thread
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.matrix import row_blocks
from unprompt.index.vectors.transforms import gather_keys, inner_index, transforms

if TYPE_CHECKING:
    import polars as pl

SMALL_SEARCH = 50_000  # queries times rows: up to here one thread is the fastest
MAX_LOOKUP = 20_000  # rows whose values are Python objects at the same time


class Neighbors(NamedTuple):
    """The k nearest rows per query, best first; row -1 and score -inf where there are fewer."""

    scores: np.ndarray  # (q, k) float32, cosines after the transforms of the index
    rows: np.ndarray  # (q, k) int64


class PromptIndex(OpenIndex):
    """A read-only snapshot of an index. Concurrent writers never change it.

    Rows are numbered from 0, without removed ones. Vectors, targets, keys and rows stay on disk
    until they are used. Several threads may search it at the same time.

    `close`, or the end of a `with` block, closes its files. What was read before stays readable.
    """

    computed = ("rows", "mean_target", "_key_scores")

    def __init__(self, folder: Path, manifest: IndexManifest, writable: bool = False):
        """Open the files of `manifest`; most callers want `load`.

        `writable`: rows will be added to the FAISS index.
        """
        super().__init__(folder, manifest, writable)
        self._gpu_scan: GpuScan | None = None
        self._mapping = Lock()  # FAISS fills the map from ids to codes without one

    def close(self) -> None:
        """Close the files. A later call of any other method raises ClosedError."""
        super().close()
        self._gpu_scan = None

    @classmethod
    def load(cls, folder: Path | str) -> "PromptIndex":
        """Open the newest generation; raises DamagedFileError naming the file that is broken."""
        folder = Path(folder)
        manifest = read_index_manifest(folder)
        while True:
            try:
                check_generation(folder, manifest)
                return cls(folder, manifest)
            except (DamagedFileError, FileNotFoundError) as error:
                # A writer may have published another generation since the manifest was read.
                newer = read_index_manifest(folder)
                if newer.generation == manifest.generation:
                    if isinstance(error, DamagedFileError):
                        raise
                    raise DamagedFileError(f"{error.filename} is missing. {REMEDY}") from error
                manifest = newer

    @shared_property
    def rows(self) -> "pl.DataFrame":
        """ROWS of all rows, in the order of the targets, as a table in memory."""
        table = self._files.rows.read()
        if table.height != self.manifest.ntotal:
            raise DamagedFileError(
                f"{self.folder / ROWS_FILE} has {table.height} rows, the manifest says "
                f"{self.manifest.ntotal}. {REMEDY}"
            )
        return table

    def read_rows(self, rows: Sequence[int] | np.ndarray, *columns: str) -> "pl.DataFrame":
        """ROWS, or those columns of it, of rows (m,) in the order given."""
        import polars as pl

        from unprompt.index.base.tables import ROWS

        kinds = {name: ROWS[name] for name in columns or ROWS}
        return pl.DataFrame(self.read_values(rows, *kinds), schema=kinds)

    def read_values(self, rows: Sequence[int] | np.ndarray, *columns: str) -> dict[str, list[Any]]:
        """The columns of rows (m,) as lists; without polars where the index has a lookup.

        Raises UnpromptError for a row that the index does not have, such as -1.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        files = self._files
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.manifest.ntotal:
            raise UnpromptError(
                f"rows go from 0 to {self.manifest.ntotal - 1}, got {wanted.min()} to "
                f"{wanted.max()}"
            )
        if not len(wanted):
            return {name: [] for name in columns}
        if "rows" in self.__dict__:
            return self.rows.select(columns)[wanted].to_dict(as_series=False)
        found = files.rows.values(wanted, columns)
        return found | {"row": wanted.tolist()} if "row" in columns else found

    def prompt_ids_of(self, rows: np.ndarray) -> np.ndarray:
        """The prompt ids (...) uint64 of rows (...); arbitrary for row -1.

        Memory grows with the number of rows asked for, not with the index.
        """
        wanted, places = np.unique(np.maximum(rows, 0), return_inverse=True)
        blocks = [np.zeros(0, dtype=np.uint64)]
        for start in range(0, len(wanted), MAX_LOOKUP):
            own = self.read_values(wanted[start : start + MAX_LOOKUP], "prompt_id")["prompt_id"]
            blocks.append(np.array(own, dtype=np.uint64))
        return np.concatenate(blocks)[places].reshape(rows.shape)

    def first_of_prompts(self, rows: np.ndarray) -> np.ndarray:
        """Positions (p,) in rows (m,) at which a prompt appears for the first time, ascending."""
        one_row_each = self.manifest.prompts == self.manifest.ntotal
        prompts = rows if one_row_each else self.prompt_ids_of(rows)
        return np.sort(np.unique(prompts, return_index=True)[1])

    @shared_property
    def mean_target(self) -> np.ndarray:
        """The mean of all target vectors, at unit length: (d_prompt,) float32."""
        total = np.zeros(self.manifest.target_dim, dtype=np.float64)
        for _, block in row_blocks(self.targets):
            total += widen(block).sum(axis=0)
        return to_unit_length(total[None])[0].astype(np.float32)

    def check_encoder(self, space: str) -> None:
        """Refuse keys of another encoder; raises SpaceMismatchError."""
        check_same_space(
            self.manifest.space,
            space,
            "the encoder",
            f"Use the encoder {self.folder} was built with, or rebuild it: `unprompt build`.",
        )

    def search(self, keys: np.ndarray, k: int, everywhere: bool = False) -> Neighbors:
        """The k nearest rows of each key (q, d_image); raises UnpromptError for another shape.

        `everywhere` probes all lists of an index that has lists, and compares all stored keys in
        place of a search in a graph.
        """
        if keys.ndim != 2 or keys.shape[1] != self.manifest.dim:
            raise UnpromptError(f"keys have shape {keys.shape}, wanted (q, {self.manifest.dim})")
        queries = np.ascontiguousarray(keys, dtype=np.float32)
        found = min(k, self.manifest.ntotal)
        scores, rows = self._search_refined(queries, found, everywhere)
        if found < k:
            padding = ((0, 0), (0, k - found))
            scores = np.pad(scores, padding, constant_values=-np.inf)
            rows = np.pad(rows, padding, constant_values=-1)
        return Neighbors(np.where(rows < 0, -np.inf, scores).astype(np.float32), rows)

    def use_gpus(self, devices: Sequence[Any] | None = None) -> None:
        """Make later searches exact, over all stored keys, on all GPUs that FAISS sees.

        `devices` are empty FAISS indexes to use instead. Raises ConfigError where there is no GPU,
        too little memory on it, or no stored keys.
        """
        if self._key_scores is None:
            raise ConfigError(
                f"{self.folder} stores no keys, which a search on the GPU needs; rebuild it with "
                "`index.keep_keys: true`"
            )
        self._gpu_scan = scan_on_gpus(self._key_scores, devices)

    def _search_refined(
        self, queries: np.ndarray, k: int, everywhere: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows, rescored by stored keys from more candidates if the effort says so."""
        self.check_open()
        scan = self._gpu_scan  # another thread may close the index meanwhile
        if scan is not None and k <= MAX_K:
            return scan.search(queries, k)
        if everywhere and self.manifest.effort.ef_search and self._key_scores is not None:
            return self._scan_keys(queries, k)
        factor = self.manifest.effort.refine
        if factor == 0 or self._key_scores is None:
            return self._search_live(queries, k, everywhere)
        most = min(factor * k, self.manifest.ntotal)
        candidates = self._search_live(queries, most, everywhere)[1]
        return refine(queries, candidates, self._key_scores, k)

    def _scan_keys(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best rows by the scores of all stored keys."""
        scores_of, count = cast(KeyScores, self._key_scores), self.manifest.ntotal
        parts = []
        for start in range(0, count, MAX_LOOKUP):
            rows = np.arange(start, min(start + MAX_LOOKUP, count))
            parts.append(scores_of(queries, np.broadcast_to(rows, (len(queries), len(rows)))))
        scores = np.concatenate(parts, axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, 1), order

    @property
    def folded_transforms(self) -> FoldedTransforms | None:
        """How stored keys are scored untransformed; None where they are transformed."""
        return None if self._files.lengths is None else fold_transforms(transforms(self.vectors))

    @shared_property
    def _key_scores(self) -> KeyScores | None:
        if self.keys is None:
            return None
        return KeyScores(self.keys, transforms(self.vectors), self._files.lengths)

    def _search_live(
        self, queries: np.ndarray, k: int, everywhere: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows without removed ones; fetches more until there are enough.

        FAISS' IDSelector would do it in one search, but product-quantizer scans, fast-scan codes
        without lists, and FAISS' own refinement refuse it.
        """
        fetched, options = k, probe_all_lists(self.vectors) if everywhere else {}
        while True:
            with one_thread(len(queries) * self.manifest.stored <= SMALL_SEARCH):
                scores, ids = search_checked(
                    self.vectors, queries, fetched, self.manifest.stored, **options
                )
            if self.live.complete:
                return scores, ids
            rows = self.live.to_rows(ids)
            enough = (rows >= 0).sum(axis=1) >= k
            exhausted = ids[:, -1] < 0  # FAISS finds no more
            if fetched >= self.manifest.stored or np.all(enough | exhausted):
                order = np.argsort(rows < 0, axis=1, kind="stable")[:, :k]
                return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
            fetched = min(2 * fetched, self.manifest.stored)

    def keys_of(self, rows: np.ndarray) -> np.ndarray:
        """The keys of rows (q, k), after the transforms of the index: (q, k, d) float32.

        Zeros for row -1. Without stored keys, codes are decoded, which approximate the keys.
        """
        wanted = np.maximum(rows, 0)
        if self.keys is not None:
            distinct, places = np.unique(wanted, return_inverse=True)
            found = gather_keys(self.keys, distinct, transforms(self.vectors))
            keys = found[places.reshape(rows.shape)]
        else:
            stored = inner_index(self.vectors)
            with self._mapping:
                map_ids(stored)
            ids = np.ascontiguousarray(self.live.to_ids(wanted).ravel(), dtype=np.int64)
            with one_thread(len(ids) <= MAX_LOOKUP):
                keys = stored.reconstruct_batch(ids).reshape(*rows.shape, -1)
        return np.where((rows >= 0)[..., None], keys, np.float32(0.0))

    def verify(self) -> None:
        """Hash every file; raises DamagedFileError naming the first that changed."""
        check_files(self.folder, self.manifest.files, REMEDY)
