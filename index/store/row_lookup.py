"""A few rows of a row table, found without reading it: row numbers (m,) -> ROWS, m rows.

A segment of many rows has an SQLite file beside its parquet file: the same columns, by row number.
Fifty rows take a tenth of a millisecond however many there are. Reading a few as plain values needs
no polars, which would be a tenth of a cold query's time.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import DamagedFileError

if TYPE_CHECKING:
    import polars as pl

LOOKUP_ROWS = 1000  # fewer are read whole in no time
BLOCK = 65_536  # rows written at a time
ASKED = 10_000  # rows a statement
UNSIGNED = ("image_id", "prompt_id", "seed")  # of ROWS; SQLite has signed numbers alone


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
            for start in range(0, rows.height, BLOCK):
                block = signed.slice(start, BLOCK)
                numbers = range(start, start + block.height)
                marks = ", ".join("?" * len(ROWS))
                database.executemany(
                    f"insert into rows values ({marks})",
                    zip(numbers, *(block[n].to_list() for n in ROWS if n != "row"), strict=True),
                )
            database.execute("commit")
        except sqlite3.Error as error:
            raise OSError(f"{path} cannot be written: {error}") from error
        finally:
            database.close()


class RowLookup:
    """An open lookup file; it may be deleted while it is still read. For any thread."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = Lock()
        address = f"file:{_escape(path.absolute())}?mode=ro&immutable=1"
        try:
            self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._database.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise DamagedFileError(f"{path} cannot be read: {error}") from error

    def take(self, numbers: np.ndarray, columns: Sequence[str]) -> "pl.DataFrame":
        """The columns of ROWS named, of rows (m,) in the order asked; rows may repeat."""
        import polars as pl

        from unprompt.index.base.tables import ROWS

        kinds = {name: ROWS[name] for name in columns}
        return pl.DataFrame(self.values(numbers, columns), schema=kinds)

    def values(self, numbers: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """The same as a list a column."""
        wanted, places = np.unique(numbers, return_inverse=True)
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(wanted), ASKED):
            found += self._read(wanted[start : start + ASKED], columns)
        if len(found) != len(wanted):
            raise DamagedFileError(f"{self._path} lacks rows; verify the index")
        ordered = [found[place] for place in places.tolist()]
        return {
            name: [row[place] % 2**64 if name in UNSIGNED else row[place] for row in ordered]
            for place, name in enumerate(columns)
        }

    def _read(self, wanted: np.ndarray, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        listed = ",".join(map(str, wanted.tolist()))
        statement = f"select {', '.join(columns)} from rows where row in ({listed}) order by row"
        try:
            with self._lock:
                return self._database.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise DamagedFileError(f"{self._path} cannot be read: {error}") from error


def _escape(path: Path) -> str:
    """As part of an address: `?`, `#` and `%` mean something there."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
