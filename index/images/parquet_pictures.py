"""A parquet file with encoded pictures -> names and bytes; a few rows are in memory.

Two layouts are read: a column of bytes, or the struct of `bytes` and `path` of Hugging Face. What a
block of rows unpacks to is taken from the budget of the process.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import polars as pl

from unprompt.index.base.errors import DamagedFileError, UnreadableImageError
from unprompt.index.decode.budget import BUDGET_BYTES, DECODED
from unprompt.index.images.picture_columns import find_picture_column, name_of_picture
from unprompt.index.images.pictures import DEFAULT_LIMITS, PictureLimits
from unprompt.index.parquet.checked import check_parquet, polars_faults

BLOCK = 64  # rows that are read together
BLOCK_BYTES = 64 << 20  # of their pictures; larger ones are read one by one
NAMES, LONGEST_NAME = 1 << 16, 500  # rows whose names are read together; characters of a name
_READING = Lock()  # four threads would each unpack the same block


@dataclass(frozen=True)
class _File:
    """A parquet file whose headers were checked."""

    path: str
    column: str
    rows: int
    cost: int  # bytes that a row group unpacks to

    def cells(self, start: int, count: int) -> pl.Series:
        """The pictures of some rows, as binary; memory may hold a row group meanwhile."""
        found = pl.scan_parquet(self.path).select(self.column).slice(start, count).collect()
        cells = found[self.column]
        return cells if cells.dtype == pl.Binary else cells.struct.field("bytes")


@dataclass(frozen=True)
class _Block:
    """Sizes of the pictures of a block, and the pictures where they are few bytes together."""

    sizes: tuple[int, ...]
    contents: tuple[bytes | None, ...] | None


def parquet_pictures(path: str) -> Iterator[tuple[str, int]]:
    """(name, row number) per row.

    Raises UnreadableImageError if no column holds pictures, or if reading could not be bounded.
    """
    file = _open(path, _changed(path))
    for start in range(0, file.rows, NAMES):
        with polars_faults(lambda reason: UnreadableImageError(f"cannot read {path}: {reason}")):
            scan = pl.scan_parquet(path)
            named = name_of_picture(scan.collect_schema(), file.column)
            names = scan.with_row_index("row").select(
                "row", named.str.head(LONGEST_NAME).alias("name")
            )
            block = names.slice(start, NAMES).collect()
        for row, name in block.iter_rows():
            yield f"{path}/{name or f'{row:08d}'}", row


def read_row(
    path: str,
    row: int,
    name: str,
    limit: PictureLimits = DEFAULT_LIMITS,
    most_bytes: int | None = BUDGET_BYTES,
) -> bytes:
    """The encoded picture of one row; raises UnreadableImageError if the row holds none.

    `most_bytes` is what a row group may unpack to; None is no limit, for files of one's own.
    """

    def fault(reason: str) -> UnreadableImageError:
        return UnreadableImageError(f"cannot read the picture {name}: {reason}")

    changed = _changed(path)
    with polars_faults(fault), _READING:
        file = _open(path, changed, most_bytes)
        block = _block(file, row // BLOCK, changed)
        size = block.sizes[row % BLOCK]
        if size > limit.max_bytes:
            raise fault(f"it is larger than {limit.max_bytes / 2**20:g} MiB")
        if block.contents is not None:
            content = block.contents[row % BLOCK]
        else:
            with DECODED.hold(file.cost):
                content = file.cells(row, 1)[0]
    if not content:
        raise fault("the row holds no bytes")
    return content


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError as error:
        raise UnreadableImageError(f"cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=2)
def _open(path: str, changed: int, most_bytes: int | None = BUDGET_BYTES) -> _File:
    try:
        check_parquet(Path(path), ())  # polars gets no footer that contradicts itself
        with polars_faults(DamagedFileError):
            schema = pl.scan_parquet(path).collect_schema()
        column = find_picture_column(schema)
        if column is None:
            raise UnreadableImageError(
                f"{path} has no column of pictures; wanted bytes or a struct with `bytes`, got "
                f"{', '.join(schema)}"
            )
        named = name_of_picture(schema, column).meta.root_names()
        cost = check_parquet(Path(path), {column, *named}, most_bytes)
    except DamagedFileError as error:
        raise UnreadableImageError(f"cannot read {path}: {error}") from error
    rows = sum(cost.rows)
    if rows > Path(path).stat().st_size:
        raise UnreadableImageError(f"cannot read {path}: it claims more rows than it has bytes")
    return _File(path, column, rows, cost.most)


@lru_cache(maxsize=2)
def _block(file: _File, number: int, changed: int) -> _Block:
    with DECODED.hold(file.cost):
        cells = file.cells(number * BLOCK, BLOCK)
        sizes = tuple(size or 0 for size in cells.bin.size())
        small = sum(sizes) <= BLOCK_BYTES
        return _Block(sizes, tuple(cells.to_list()) if small else None)
