"""Row numbers (m,) -> the rows of an index, from its parquet and SQLite files."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular
from unprompt.index.store.lookup import REMEDY, REQUIRED, RowLookup, check_open
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import split_by_part

if TYPE_CHECKING:
    import polars as pl

MOST_UNPACKED = 64  # bytes of a large table that a byte of its file may hold


class RowFiles:
    """The open row files of all segments, for any thread.

    They stay readable after they are deleted.
    """

    def __init__(
        self,
        tables: Sequence[Path],
        lookups: Sequence[Path | None],
        counts: Sequence[int],
        live: LiveRows,
    ):
        """Tables, lookups and row counts, each by segment."""
        self._paths = tables
        self._handles: list[BinaryIO] = [open_regular(path) for path in tables]
        self._lookups = [
            None if path is None else RowLookup(path, count)
            for path, count in zip(lookups, counts, strict=True)
        ]
        self._tables: dict[int, pl.DataFrame] = {}
        self._reading = Lock()  # a file has one position
        self._closed = False
        self._counts = counts
        self._ends = np.cumsum(counts)
        self._live = live

    def read(self) -> "pl.DataFrame":
        """ROWS of all rows but removed ones, numbered from 0."""
        import polars as pl

        tables = [self._table(segment) for segment in range(len(self._paths))]
        if len(tables) == 1 and self._live.complete:
            return tables[0]
        stored = pl.concat(tables, rechunk=True)
        remaining = np.delete(np.arange(stored.height), self._live.removed)
        return stored[remaining].with_columns(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))

    def values(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """Columns of ROWS as lists, of rows (m,) in the order given."""
        ids = self._live.to_ids(rows)
        found: dict[str, list[Any]] = {name: [None] * len(rows) for name in columns}
        for segment, here, numbers in split_by_part(ids, self._ends):
            lookup = self._lookups[segment]
            if lookup is None:
                read = self._table(segment).select(columns)[numbers].to_dict(as_series=False)
            else:
                read = lookup.values(numbers, columns)
            for name, values in read.items():
                for place, value in zip(here.tolist(), values, strict=True):
                    found[name][place] = value
        return found

    def close(self) -> None:
        """Close the files once calls that run have ended; later calls raise ClosedError."""
        with self._reading:
            self._closed = True
            self._tables.clear()
            for handle in self._handles:
                handle.close()
        for lookup in self._lookups:
            if lookup is not None:
                lookup.close()

    def _table(self, segment: int) -> "pl.DataFrame":
        """The rows of a segment; without a lookup they stay in memory."""
        import polars as pl

        from unprompt.index.base.tables import ROWS, check_schema
        from unprompt.index.parquet.checked import polars_faults

        with self._reading:
            if segment in self._tables:
                return self._tables[segment]
            check_open(self._closed, self._paths[segment])
            handle, path = self._handles[segment], self._paths[segment]
            handle.seek(0)
            _check_cost(handle, path)
            try:
                with polars_faults(
                    lambda reason: DamagedFileError(f"{path} cannot be read: {reason}")
                ):
                    table = check_schema(pl.read_parquet(handle), ROWS, str(path))
            except CorpusError as error:
                raise DamagedFileError(f"{path} cannot be read: {error}") from error
            self._check(table, segment)
            if self._lookups[segment] is None:
                self._tables[segment] = table
            return table

    def _check(self, table: "pl.DataFrame", segment: int) -> None:
        """Refuse a table with another number of rows than the manifest says, or without ids."""
        path, wanted = self._paths[segment], self._counts[segment]
        if table.height != wanted:
            raise DamagedFileError(
                f"{path} has {table.height} rows, the manifest says {wanted}. {REMEDY}"
            )
        for name in REQUIRED:
            if table[name].null_count():
                raise DamagedFileError(f"{path} has rows without `{name}`. {REMEDY}")


def _check_cost(handle: BinaryIO, path: Path) -> None:
    """Refuse a table that unpacks to far more than its file; it may be deleted meanwhile."""
    from unprompt.index.decode.budget import BUDGET_BYTES
    from unprompt.index.parquet.checked import check_parquet

    opened = Path(f"/dev/fd/{handle.fileno()}")
    try:
        cost = check_parquet(opened if opened.exists() else path)
    except DamagedFileError as error:
        raise DamagedFileError(str(error).replace(str(opened), str(path))) from error
    size = os.fstat(handle.fileno()).st_size
    if sum(cost.unpacked) > max(BUDGET_BYTES, MOST_UNPACKED * size):
        raise DamagedFileError(
            f"{path} has {size:,} bytes and unpacks to {sum(cost.unpacked):,}. {REMEDY}"
        )
