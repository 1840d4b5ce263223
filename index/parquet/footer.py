"""A parquet file -> its row groups, and the place of every column in them, from its footer."""

from dataclasses import dataclass
from typing import Any, BinaryIO

from unprompt.index.parquet.thrift import CompactReader, Struct

MARK = b"PAR1"
LARGEST_FOOTER = 64 << 20  # bytes
DEEPEST_SCHEMA, MOST_COLUMNS = 32, 20_000
_TAIL = 8  # bytes: the length of the footer and the mark


@dataclass(frozen=True)
class Chunk:
    """A column of a row group: where its pages lie, as the footer says."""

    column: str  # name of the column that holds it; a field of a struct has that of the struct
    start: int
    size: int  # bytes, compressed
    unpacked: int  # bytes
    values: int


@dataclass(frozen=True)
class RowGroup:
    """Rows that are stored together."""

    rows: int
    chunks: tuple[Chunk, ...]


def read_footer(file: BinaryIO, size: int) -> tuple[RowGroup, ...]:
    """The row groups of a file of `size` bytes.

    Raises ValueError where the footer is damaged, or claims what the file cannot hold.
    """
    if size < len(MARK) + _TAIL:
        raise ValueError("it is too short for a parquet file")
    file.seek(size - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MARK:
        raise ValueError("it does not end as a parquet file does")
    if length > min(size - _TAIL, LARGEST_FOOTER):
        raise ValueError(f"its footer claims {length:,} bytes")
    file.seek(size - _TAIL - length)
    footer = CompactReader(file.read(length)).struct()
    _check_schema(_list(footer, 2))
    groups = tuple(_row_group(group, size) for group in _list(footer, 4))
    if sum(group.rows for group in groups) != _count(footer, 3):
        raise ValueError("its row groups do not add up to its rows")
    return groups


def _row_group(group: Struct, size: int) -> RowGroup:
    chunks = tuple(_chunk(column, size) for column in _list(group, 1))
    return RowGroup(_count(group, 3), chunks)


def _chunk(column: Struct, size: int) -> Chunk:
    if 1 in column:
        raise ValueError("a column of it lies in another file")
    meta = column.get(3)
    if not isinstance(meta, dict):
        raise ValueError("its footer lacks a column")
    path = _list(meta, 3, bytes)
    starts = [_count(meta, field) for field in (9, 11) if field in meta]
    packed, start = _count(meta, 7), min((s for s in starts if s), default=0)
    if not path or start + packed > size:
        raise ValueError("its footer places a column outside the file")
    name = path[0].decode("utf-8", "replace")
    return Chunk(name, start, packed, _count(meta, 6), _count(meta, 5))


def _check_schema(elements: list[Struct]) -> None:
    """Raise ValueError for a schema that is very deep or wide, or no tree."""
    if not 1 < len(elements) <= MOST_COLUMNS:
        raise ValueError(f"its schema has {len(elements):,} elements")
    open_below: list[int] = []  # children that are still to come, by depth
    for place, element in enumerate(elements):
        while open_below and open_below[-1] == 0:
            open_below.pop()
        if open_below:
            open_below[-1] -= 1
        elif place:
            raise ValueError("its schema is damaged")
        if 5 in element:
            open_below.append(_count(element, 5))
        if len(open_below) > DEEPEST_SCHEMA:
            raise ValueError(f"its schema is nested more than {DEEPEST_SCHEMA} deep")
    if any(open_below):
        raise ValueError("its schema is cut short")


def _list(struct: Struct, field: int, kind: type = dict) -> list[Any]:
    found = struct.get(field)
    if not isinstance(found, list) or not all(isinstance(part, kind) for part in found):
        raise ValueError("its footer is damaged")
    return found


def _count(struct: Struct, field: int) -> int:
    found = struct.get(field)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 62:
        raise ValueError("its footer is damaged")
    return found
