"""Row numbers (m,) <-> the rows of a segment in an SQLite file, by number.

It gives fifty rows in a tenth of a millisecond, however many there are, and as plain values without
polars, whose import would be a tenth of the time of a first query.

A file of a stranger is a program too: a view can run for ever, a text can stand where a number is
wanted. So the file must hold the one table that `write_lookup` makes, word for word, and every
value is of the type of its column.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.index.base.durable import write_atomically, write_error
from unprompt.index.base.errors import ClosedError, DamagedFileError
from unprompt.index.base.safe.plain_files import open_regular

if TYPE_CHECKING:
    import polars as pl

STATEMENT_ROWS = 20_000  # that one SQL statement looks up
INSERT_ROWS = 65_536  # in memory at a time
TEXTS = ("prompt", "key", "generator")  # columns of ROWS; all others are integers
UNSIGNED = ("image_id", "prompt_id", "seed")  # integers in SQLite are signed
REQUIRED = ("row", "row_id", "prompt_id", "prompt")  # the others may be NULL
COLUMNS = ("row_id", "image_id", "prompt_id", "prompt", "key", "seed", "generator")
TABLE = "CREATE TABLE rows (row integer primary key, {})".format(
    ", ".join(f"{name} {'text' if name in TEXTS else 'integer'}" for name in COLUMNS)
)
MAX_VALUE = 2**20  # bytes of one text
MAX_ANSWER = 64 * 2**20  # bytes of all texts of one answer
STEPS = 100_000  # of SQLite's machine between two looks at what they cost
STEPS_PER_ROW, LEAST_STEPS = 2000, 2_000_000  # looking up a row takes about fifty
SETTINGS = ("trusted_schema = off", "query_only = on", "cell_size_check = on", "mmap_size = 0")
REMEDY = "Rebuild the index, or fetch it again."


def write_lookup(path: Path, rows: "pl.DataFrame") -> None:
    """Write ROWS; the same rows give the same bytes. Raises OSError on a full disk."""
    import polars as pl

    signed = rows.with_columns(pl.col(UNSIGNED).reinterpret(signed=True))
    with write_atomically(path) as temporary:
        temporary.unlink(missing_ok=True)
        database = sqlite3.connect(temporary, isolation_level=None)
        try:
            database.execute("pragma journal_mode = off")
            database.execute("pragma synchronous = off")
            database.execute(TABLE)
            database.execute("begin")
            for start in range(0, rows.height, INSERT_ROWS):
                block = signed.slice(start, INSERT_ROWS)
                numbers = range(start, start + block.height)
                marks = ", ".join("?" * (1 + len(COLUMNS)))
                database.executemany(
                    f"insert into rows values ({marks})",
                    zip(numbers, *(block[name].to_list() for name in COLUMNS), strict=True),
                )
            database.execute("commit")
        except sqlite3.Error as error:
            raise write_error(error, temporary) from error
        finally:
            database.close()


class RowLookup:
    """An open SQLite file of rows, for any thread. It stays readable after it is deleted."""

    def __init__(self, path: Path, count: int | None = None):
        """Raises DamagedFileError where the file is no database of `count` rows, if it is given."""
        self._path = path
        self._lock = Lock()
        self._closed = False
        self._steps_left = 0
        escaped = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        address = f"file:{escaped}?mode=ro&immutable=1"
        try:
            open_regular(path).close()
            self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            self._database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            self._database.set_progress_handler(self._watch, STEPS)
            for setting in SETTINGS:
                self._database.execute(f"pragma {setting}")
            found = self._read("select type, name, sql from sqlite_master", 0)
            ends = self._read("select max(row) from rows", 0) if len(found) == 1 else []
        except (sqlite3.Error, OSError) as error:
            raise self._broken(str(error)) from error
        if [(kind, name, _same_words(sql)) for kind, name, sql in found] != [
            ("table", "rows", _same_words(TABLE))
        ]:
            raise self._broken("it must hold the table of rows alone, without views and indexes")
        if count is not None and ends != [(count - 1,)]:
            raise self._broken(f"its last row is not number {count - 1}")

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
            raise self._broken("it lacks rows")
        ordered = [found[place] for place in places.tolist()]
        return {
            name: self._checked(name, [row[place] for row in ordered])
            for place, name in enumerate(columns)
        }

    def _select(self, numbers: np.ndarray, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Columns of distinct row numbers (m,), in ascending order."""
        listed = ",".join(map(str, numbers.tolist()))
        statement = f"select {', '.join(columns)} from rows where row in ({listed}) order by row"
        try:
            with self._lock:
                check_open(self._closed, self._path)
                return self._read(statement, len(numbers))
        except sqlite3.Error as error:
            raise self._broken(str(error)) from error

    def _read(self, statement: str, rows: int) -> list[tuple[Any, ...]]:
        self._steps_left = max(LEAST_STEPS, rows * STEPS_PER_ROW)
        found: list[tuple[Any, ...]] = []
        left = MAX_ANSWER
        for row in self._database.execute(statement):
            left -= sum(len(value) for value in row if isinstance(value, str | bytes))
            if left < 0:
                raise self._broken(f"{rows} rows hold more than {MAX_ANSWER:,} bytes of text")
            found.append(row)
        return found

    def _watch(self) -> bool:
        """Whether SQLite has to stop: it has taken far more steps than the rows need."""
        self._steps_left -= STEPS
        return self._steps_left < 0

    def _checked(self, name: str, values: list[Any]) -> list[Any]:
        kind = str if name in TEXTS else int
        for value in values:
            if type(value) is not kind and (value is not None or name in REQUIRED):
                raise self._broken(
                    f"the column {name} must hold {'texts' if kind is str else 'integers'}, got "
                    f"{'NULL' if value is None else type(value).__name__}"
                )
        if name not in UNSIGNED:
            return values
        return [None if value is None else value % 2**64 for value in values]

    def _broken(self, reason: str) -> DamagedFileError:
        return DamagedFileError(f"{self._path} cannot be read: {reason}. {REMEDY}")


def check_open(closed: bool, path: Path) -> None:
    """Raise ClosedError for a file that was closed."""
    if closed:
        raise ClosedError(f"{path} is closed, wanted an open index; open the index again")


def _same_words(statement: object) -> Iterable[str] | None:
    """The words of a statement in lower case; None for what is no text."""
    return statement.lower().split() if isinstance(statement, str) else None
