"""The prompt index: query keys (q, d_image) -> the k nearest known renders and their prompts."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.encoders.protocols import check_same_space, to_unit_length
from unprompt.index.search.fold import Fold, fold
from unprompt.index.search.gpu_scan import MOST, Scan, scan_all
from unprompt.index.search.refine import KeyScores, refine
from unprompt.index.store.index_files import REMEDY, ROWS_FILE, IndexFiles, check_generation
from unprompt.index.store.manifest import IndexManifest, check_files, read_index_manifest
from unprompt.index.vectors.faiss_library import load_faiss, one_thread
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.transforms import gather_keys, inner_index, transforms

if TYPE_CHECKING:
    import polars as pl

MEAN_BLOCK = 65_536  # rows read at a time
SMALL_SEARCH = 50_000  # queries times rows: less is done before other threads are awake
FEW = 20_000  # rows that are looked up one by one; for more the whole table is read


class Neighbors(NamedTuple):
    """The k best rows a query, best first; rows are -1 where there are fewer than k."""

    scores: np.ndarray  # (q, k) float32, cosine in the index' space
    rows: np.ndarray  # (q, k) int64


class PromptIndex:
    """One generation of an index, whole whatever writers do; removed rows are not counted.

    Of vectors, targets, keys and rows only what is touched is read.
    """

    def __init__(self, folder: Path, manifest: IndexManifest, changing: bool = False):
        """Open the files that `manifest` names; `load` is what finds them.

        `changing`: rows will be added to its vectors.
        """
        self.folder = folder
        self.manifest = manifest
        self._files = IndexFiles(folder, manifest, changing)
        self._live = self._files.live
        self.vectors = self._files.vectors
        self.targets, self.keys = self._files.targets, self._files.keys
        self._scan: Scan | None = None

    @classmethod
    def load(cls, folder: Path) -> "PromptIndex":
        """Open an index; raises DamagedFileError naming the file that is not what was written."""
        manifest = read_index_manifest(folder)
        while True:
            try:
                check_generation(folder, manifest)
                return cls(folder, manifest)
            except DamagedFileError:
                # A writer may have switched to another generation since the manifest was read.
                newer = read_index_manifest(folder)
                if newer.generation == manifest.generation:
                    raise
                manifest = newer

    @cached_property
    def rows(self) -> "pl.DataFrame":
        """ROWS of all rows, in the order of the targets: the whole table in memory."""
        table = self._files.rows.read()
        if table.height != self.manifest.ntotal:
            raise DamagedFileError(
                f"{self.folder / ROWS_FILE} has {table.height} rows, the manifest says "
                f"{self.manifest.ntotal}. {REMEDY}"
            )
        return table

    def read_rows(self, rows: Sequence[int] | np.ndarray, *columns: str) -> "pl.DataFrame":
        """ROWS, or those columns of it, of rows (m,) in the order asked; a few are read alone."""
        import polars as pl

        from unprompt.index.base.tables import ROWS

        wanted = np.asarray(rows, dtype=np.int64)
        names = columns or tuple(ROWS)
        if "rows" in self.__dict__ or not 0 < len(wanted) <= FEW:
            return self.rows.select(names)[wanted]
        found = self._files.rows.take(wanted, self._files.ends, names)
        if "row" in names:
            found = found.with_columns(pl.Series("row", wanted, pl.UInt32))
        return found

    def read_values(self, rows: Sequence[int] | np.ndarray, *columns: str) -> dict[str, list[Any]]:
        """The same as a list a column: a few rows need no polars where the index has a lookup."""
        wanted = np.asarray(rows, dtype=np.int64)
        if "rows" in self.__dict__ or not 0 < len(wanted) <= FEW:
            return self.read_rows(wanted, *columns).to_dict(as_series=False)
        found = self._files.rows.values(wanted, self._files.ends, columns)
        return found | {"row": wanted.tolist()} if "row" in columns else found

    def prompt_ids_of(self, rows: np.ndarray) -> np.ndarray:
        """The prompts of rows (...): (...) uint64; any for a row that is -1."""
        wanted = np.maximum(rows, 0).ravel()
        found = self.read_values(wanted, "prompt_id")["prompt_id"]
        return np.array(found, dtype=np.uint64).reshape(rows.shape)

    def first_of_prompts(self, rows: np.ndarray) -> np.ndarray:
        """Places (p,) in rows (m,) where a prompt stands for the first time, in their order."""
        single = self.manifest.prompts == self.manifest.ntotal  # a prompt has one row
        identities = rows if single else self.prompt_ids_of(rows)
        return np.sort(np.unique(identities, return_index=True)[1])

    @cached_property
    def mean_target(self) -> np.ndarray:
        """The mean of all target vectors, at unit length: (d_prompt,) float32."""
        total = np.zeros(self.manifest.target_dim, dtype=np.float64)
        for start in range(0, len(self.targets), MEAN_BLOCK):
            total += widen(self.targets[start : start + MEAN_BLOCK]).sum(axis=0)
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

    def use_gpus(self, devices: Sequence[Any] | None = None) -> None:
        """From now on compare with every kept key, exactly, on all GPUs that FAISS sees.

        `devices` are empty FAISS indexes to use in their place. Raises ConfigError where there is
        no GPU, too little memory on it, or no kept keys.
        """
        if self._key_scores is None:
            raise ConfigError(
                f"{self.folder} keeps no keys, which a search on the GPU needs; rebuild it with "
                "`index.keep_keys: true`"
            )
        self._scan = scan_all(self._key_scores, devices)

    def _search_refined(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the index was tuned so, the best k of more candidates by the keys that are kept."""
        if self._scan is not None and k <= MOST:
            return self._scan.search(queries, k)
        factor = self.manifest.effort.refine
        if factor == 0 or self._key_scores is None:
            return self._search_live(queries, k)
        candidates = self._search_live(queries, min(factor * k, self.manifest.ntotal))[1]
        return refine(queries, candidates, self._key_scores, k)

    @property
    def fold(self) -> Fold | None:
        """How kept keys are scored without transforming them; None where they are."""
        return None if self._files.lengths is None else fold(transforms(self.vectors))

    @cached_property
    def _key_scores(self) -> KeyScores | None:
        if self.keys is None:
            return None
        return KeyScores(self.keys, transforms(self.vectors), self._files.lengths)

    def _search_live(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows that count; more are fetched where removed ones stand before them."""
        fetched = k
        while True:
            with one_thread(len(queries) * self.manifest.stored <= SMALL_SEARCH):
                scores, places = self.vectors.search(queries, fetched)
            if self._live.whole:
                return scores, places
            rows = self._live.rows(places)
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
        wanted = np.maximum(rows, 0)
        if self.keys is not None:
            touched, places = np.unique(wanted, return_inverse=True)
            found = gather_keys(self.keys, touched, transforms(self.vectors))
            keys = found[places.reshape(rows.shape)]
        else:
            stored = inner_index(self.vectors)
            if isinstance(stored, load_faiss().IndexIVF):
                stored.make_direct_map()
            asked = np.ascontiguousarray(self._live.places(wanted).ravel(), dtype=np.int64)
            with one_thread(len(asked) <= FEW):
                keys = stored.reconstruct_batch(asked).reshape(*rows.shape, -1)
        return np.where((rows >= 0)[..., None], keys, np.float32(0.0))

    def places_removed(self, leaving: np.ndarray) -> np.ndarray:
        """Places of all removed rows, those marked in `leaving` (n,) among them, sorted."""
        return self._live.without(leaving)

    def verify(self) -> None:
        """Hash every file; raises DamagedFileError naming the first that changed."""
        check_files(self.folder, self.manifest.files, digests=True, remedy=REMEDY)
