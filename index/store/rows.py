"""Row numbers (m,) -> the rows of an index, from its parquet and SQLite files.

A segment of many rows has an SQLite file with the columns of its parquet file, by row number. It
gives fifty rows in a tenth of a millisecond, however many there are, and as plain values without
polars, whose import would be a tenth of the time of a first query.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from unprompt.index.base.durable import write_atomically, write_error
from unprompt.index.base.errors import ClosedError, DamagedFileError
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import split_by_part

if TYPE_CHECKING:
    import polars as pl

INSERT_ROWS = 65_536  # in memory at a time
STATEMENT_ROWS = 20_000  # that one SQL statement looks up
UNSIGNED = ("image_id", "prompt_id", "seed")  # of ROWS; integers in SQLite are signed


def write_lookup(path: Path, rows: "pl.DataFrame") -> None:
    """Write ROWS; the same rows give the same bytes. Raises OSError on a full disk."""
    import polars as pl

    from unprompt.index.base.tables import ROWS

    signed = rows.with_columns(pl.col(UNSIGNED).reinterpret(signed=True))
    columns = ", ".join(f"{name} integer" if kind.is_integer() else f"{name} text"
                        for name, kind in ROWS.items() if name != "row")  # fmt: skip
    with write_atomically(path) as temporary:
        temporary.unlink(missing_ok=True)
        database = sqlite3.connect(temporary, isolation_level=None)
        try:
            database.execute("pragma journal_mode = off")
            database.execute("pragma synchronous = off")
            database.execute(f"create table rows (row integer primary key, {columns})")
            database.execute("begin")
            for start in range(0, rows.height, INSERT_ROWS):
                block = signed.slice(start, INSERT_ROWS)
                numbers = range(start, start + block.height)
                marks = ", ".join("?" * len(ROWS))
                database.executemany(
                    f"insert into rows values ({marks})",
                    zip(numbers, *(block[n].to_list() for n in ROWS if n != "row"), strict=True),
                )
            database.execute("commit")
        except sqlite3.Error as error:
            raise write_error(error, temporary) from error
        finally:
            database.close()


class RowLookup:
    """An open SQLite file of rows, for any thread. It stays readable after it is deleted."""

    def __init__(self, path: Path):
        """Raises DamagedFileError where the file is no database."""
        self._path = path
        self._lock = Lock()
        self._closed = False
        escaped = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        address = f"file:{escaped}?mode=ro&immutable=1"
        try:
            self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._database.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error

    def close(self) -> None:
        """Close the file once a call that runs has ended; later calls raise ClosedError."""
        with self._lock:
            self._database.close()
            self._closed = True

    def values(self, numbers: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """Columns of ROWS as lists, of row numbers (m,) in the order given; they may repeat."""
        wanted, places = np.unique(numbers, return_inverse=True)
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(wanted), STATEMENT_ROWS):
            found += self._select(wanted[start : start + STATEMENT_ROWS], columns)
        if len(found) != len(wanted):
            raise DamagedFileError(f"{self._path} lacks rows; verify the index")
        ordered = [found[place] for place in places.tolist()]
        return {
            name: [row[place] % 2**64 if name in UNSIGNED else row[place] for row in ordered]
            for place, name in enumerate(columns)
        }

    def _select(self, numbers: np.ndarray, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Columns of distinct row numbers (m,), in ascending order."""
        listed = ",".join(map(str, numbers.tolist()))
        statement = f"select {', '.join(columns)} from rows where row in ({listed}) order by row"
        try:
            with self._lock:
                _check_open(self._closed, self._path)
                return self._database.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise DamagedFileError(f"{self._path} cannot be read: {error}") from error


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
        self._handles: list[BinaryIO] = [path.open("rb") for path in tables]
        self._lookups = [None if path is None else RowLookup(path) for path in lookups]
        self._tables: dict[int, pl.DataFrame] = {}
        self._reading = Lock()  # a file has one position
        self._closed = False
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

        with self._reading:
            if segment in self._tables:
                return self._tables[segment]
            _check_open(self._closed, self._paths[segment])
            handle, path = self._handles[segment], self._paths[segment]
            handle.seek(0)
            try:
                table = check_schema(pl.read_parquet(handle), ROWS, str(path))
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DamagedFileError(f"{path} cannot be read: {error}") from error
            if self._lookups[segment] is None:
                self._tables[segment] = table
            return table


def _check_open(closed: bool, path: Path) -> None:
    if closed:
        raise ClosedError(f"{path} is closed, wanted an open index; open the index again")
