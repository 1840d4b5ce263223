"""An index' row files -> one table and matrices over the rows that count, read as they are touched.

Every change adds files and removes none of a row's: removed rows are a list of places.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.store.row_lookup import RowLookup
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import occurring

if TYPE_CHECKING:
    import polars as pl


class RowFiles:
    """The row files of one generation, held open: they may be deleted while they are still read."""

    def __init__(self, tables: Sequence[Path], lookups: Sequence[Path | None], live: LiveRows):
        self._paths = tables
        self._handles: list[BinaryIO] = [path.open("rb") for path in tables]
        self._lookups = [None if path is None else RowLookup(path) for path in lookups]
        self._tables: dict[int, pl.DataFrame] = {}
        self._live = live

    def read(self) -> "pl.DataFrame":
        """ROWS of all rows that count, numbered anew."""
        import polars as pl

        tables = [self._table(number) for number in range(len(self._paths))]
        if len(tables) == 1 and self._live.whole:
            return tables[0]
        whole = pl.concat(tables, rechunk=True)
        kept = np.delete(np.arange(whole.height), self._live.removed)
        return whole[kept].with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))

    def take(self, rows: np.ndarray, ends: np.ndarray, columns: Sequence[str]) -> "pl.DataFrame":
        """Columns of ROWS, of rows (m,) in their order; `ends` (s,) are where segments end."""
        import polars as pl

        from unprompt.index.base.tables import ROWS

        kinds = {name: ROWS[name] for name in columns}
        return pl.DataFrame(self.values(rows, ends, columns), schema=kinds)

    def values(
        self, rows: np.ndarray, ends: np.ndarray, columns: Sequence[str]
    ) -> dict[str, list[Any]]:
        """The same as a list a column; segments that have a lookup need no polars for it."""
        places = self._live.places(rows)
        parts = np.searchsorted(ends, places, side="right")
        found: dict[str, list[Any]] = {name: [None] * len(rows) for name in columns}
        for number in occurring(parts):
            here = np.flatnonzero(parts == number)
            start = 0 if number == 0 else ends[number - 1]
            read = self._values(number, places[here] - start, columns)
            for name, values in read.items():
                for place, value in zip(here.tolist(), values, strict=True):
                    found[name][place] = value
        return found

    def _values(
        self, number: int, numbers: np.ndarray, columns: Sequence[str]
    ) -> dict[str, list[Any]]:
        lookup = self._lookups[number]
        if lookup is None:
            return self._table(number).select(columns)[numbers].to_dict(as_series=False)
        return lookup.values(numbers, columns)

    def _table(self, number: int) -> "pl.DataFrame":
        """A segment's rows; those that have no lookup are kept."""
        import polars as pl

        from unprompt.index.base.tables import ROWS, check_schema

        if number in self._tables:
            return self._tables[number]
        handle, path = self._handles[number], self._paths[number]
        handle.seek(0)
        try:
            table = check_schema(pl.read_parquet(handle), ROWS, str(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error
        if self._lookups[number] is None:
            self._tables[number] = table
        return table
