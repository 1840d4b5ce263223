"""A parquet file of strangers -> what reading some of its columns costs, or why it is not read.

A file of a few kilobytes can unpack to gigabytes: by pages that claim them, by rows that repeat one
large value, by counts that nothing stands behind. So the headers of all pages are read first.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.decode.budget import BUDGET_BYTES
from unprompt.index.parquet.footer import Chunk, RowGroup, read_footer
from unprompt.index.parquet.quiet import without_native_stderr
from unprompt.index.parquet.thrift import CompactReader

MOST_PAGES = 1 << 20  # of one column in one row group
MOST_ROWS = 1 << 31
PAGE_HEADER = 1 << 14  # bytes that are read for one; statistics in it may be long
_DATA, _DATA_V2 = 0, 3
REMEDY = "write it again, with smaller row groups"


@dataclass(frozen=True)
class ParquetCost:
    """Rows of each row group, and the bytes that the columns of one unpack to."""

    rows: tuple[int, ...]
    unpacked: tuple[int, ...]

    @property
    def most(self) -> int:
        """Bytes that the largest row group unpacks to."""
        return max(self.unpacked, default=0)


def check_parquet(
    path: Path, columns: Collection[str] | None = None, most_bytes: int | None = BUDGET_BYTES
) -> ParquetCost:
    """Check the headers of some columns, or of all, without unpacking anything.

    Raises DamagedFileError where they contradict one another, or where a row group unpacks to more
    than `most_bytes`; None is no limit.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            groups = read_footer(file, size)
            unpacked = tuple(_group_bytes(file, group, columns) for group in groups)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DamagedFileError(f"{path} is not a readable parquet file: {error}") from error
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error.strerror or error}") from error
    cost = ParquetCost(tuple(group.rows for group in groups), unpacked)
    if sum(cost.rows) > MOST_ROWS:
        raise DamagedFileError(f"{path} claims {sum(cost.rows):,} rows; {REMEDY}")
    if most_bytes is not None and cost.most > most_bytes:
        raise DamagedFileError(
            f"{path} unpacks to {cost.most / 1e6:,.0f} MB in one row group, and the limit is "
            f"{most_bytes / 1e6:,.0f} MB; {REMEDY}"
        )
    return cost


@contextmanager
def polars_faults(raise_as: Callable[[str], Exception]) -> Iterator[None]:
    """Raise what polars raises on damaged files, its panics too, as `raise_as(reason)`.

    What it prints meanwhile is dropped.
    """
    try:
        with without_native_stderr():
            yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise raise_as(str(error).partition("\n")[0][:500] or type(error).__name__) from error


def _group_bytes(file: BinaryIO, group: RowGroup, columns: Collection[str] | None) -> int:
    wanted = [chunk for chunk in group.chunks if columns is None or chunk.column in columns]
    return sum(_chunk_bytes(file, chunk) for chunk in wanted)


def _chunk_bytes(file: BinaryIO, chunk: Chunk) -> int:
    """What the pages of a column unpack to, by their own headers."""
    place, end, unpacked, values = chunk.start, chunk.start + chunk.size, 0, 0
    for _ in range(MOST_PAGES):
        if place >= end:
            break
        file.seek(place)
        reader = CompactReader(file.read(min(PAGE_HEADER, end - place)), most=10_000)
        header = reader.struct()
        packed, large, kind = header.get(3), header.get(2), header.get(1)
        if not isinstance(packed, int) or not isinstance(large, int) or min(packed, large) < 0:
            raise ValueError(f"a page of column {chunk.column!r} has a damaged header")
        place += reader.place + packed
        unpacked += large
        counts = header.get(5 if kind == _DATA else 8, {}) if kind in (_DATA, _DATA_V2) else {}
        count = counts.get(1, 0) if isinstance(counts, dict) else -1
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"a page of column {chunk.column!r} has a damaged header")
        values += count
    if place != end:
        raise ValueError(f"the pages of column {chunk.column!r} do not fill their place")
    if values != chunk.values:
        raise ValueError(f"the pages of column {chunk.column!r} do not hold its values")
    return unpacked
