"""An index' row files -> one table and matrices over the rows that count, read as they are touched.

Every change adds files and removes none of a row's: removed rows are a list of places. A place is a
row's number in all segments end to end, which is its id in FAISS; a row is its number among those
that count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from unprompt.index.errors import DamagedFileError
from unprompt.index.tables import ROWS, check_schema


class JoinedRows:
    """Matrices (n_i, d) as one (n, d), of the places `live` or all; indexed as an array is."""

    ndim = 2

    def __init__(self, parts: Sequence[np.ndarray], live: np.ndarray | None):
        self._parts = parts
        self._live = live
        self._ends = np.cumsum([len(part) for part in parts])
        self.dtype = parts[0].dtype
        count = int(self._ends[-1]) if live is None else len(live)
        self.shape = (count, parts[0].shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows (...) of a slice, number or array -> (..., d)."""
        whole = isinstance(rows, slice) or np.asarray(rows).dtype == bool
        places = np.arange(len(self))[rows] if whole else np.asarray(rows)
        places = np.where(places < 0, places + len(self), places)
        stored = (places if self._live is None else self._live[places]).ravel()
        found = np.empty((len(stored), self.shape[1]), self.dtype)
        parts = np.searchsorted(self._ends, stored, side="right")
        for number in np.unique(parts):
            here = parts == number
            start = self._ends[number] - len(self._parts[number])
            found[here] = self._parts[number][stored[here] - start]
        return found.reshape(*np.shape(places), self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


Matrix = np.ndarray | JoinedRows


def join_rows(parts: Sequence[np.ndarray], live: np.ndarray | None) -> Matrix:
    """The parts as one; a single one as it is."""
    return parts[0] if len(parts) == 1 and live is None else JoinedRows(parts, live)


class RowFiles:
    """The row files of one generation, held open: they may be deleted while they are still read."""

    def __init__(self, paths: Sequence[Path]):
        self._paths = paths
        self._handles: list[BinaryIO] = [path.open("rb") for path in paths]

    def read(self, live: np.ndarray | None) -> pl.DataFrame:
        """ROWS of the places `live`, numbered anew."""
        tables = [
            self._read(handle, path)
            for handle, path in zip(self._handles, self._paths, strict=True)
        ]
        if len(tables) == 1 and live is None:
            return tables[0]
        whole = pl.concat(tables, rechunk=True)
        kept = whole if live is None else whole[live]
        return kept.with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))

    def _read(self, handle: BinaryIO, path: Path) -> pl.DataFrame:
        handle.seek(0)
        try:
            table = pl.read_parquet(handle)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error
        return check_schema(table, ROWS, str(path))
