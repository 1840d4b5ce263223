"""A parquet file with encoded pictures -> names and bytes; a block of rows is in memory.

Two layouts are read: a column of bytes, or the struct of `bytes` and `path` of Hugging Face.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.images.picture_columns import find_picture_column, name_of_picture

BLOCK = 64  # rows that are read together


def parquet_pictures(path: str) -> Iterator[tuple[str, int]]:
    """(name, row number) per row; raises UnreadableImageError if no column holds pictures."""
    column = _picture_column(path)
    scan = pl.scan_parquet(path)
    named = name_of_picture(scan.collect_schema(), column).alias("name")
    names = scan.with_row_index("row").select("row", named).collect()
    for row, name in names.iter_rows():
        yield f"{path}/{name or f'{row:08d}'}", row


def read_row(path: str, row: int, name: str) -> bytes:
    """The encoded picture of one row; raises UnreadableImageError if the row holds none."""
    block = _block(path, row // BLOCK, Path(path).stat().st_mtime_ns)
    content = block[row % BLOCK]
    encoded: bytes | None = content.get("bytes") if isinstance(content, dict) else content
    if not encoded:
        raise UnreadableImageError(f"cannot read the picture {name}: the row holds no bytes")
    return encoded


def _picture_column(path: str) -> str:
    try:
        schema = pl.scan_parquet(path).collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnreadableImageError(f"cannot read {path}: {error}") from error
    column = find_picture_column(schema)
    if column is not None:
        return column
    raise UnreadableImageError(
        f"{path} has no column of pictures; wanted bytes or a struct with `bytes`, got "
        f"{', '.join(schema)}"
    )


@lru_cache(maxsize=2)
def _block(path: str, number: int, changed: int) -> list[Any]:
    column = _picture_column(path)
    table = pl.scan_parquet(path).select(column).slice(number * BLOCK, BLOCK).collect()
    return table[column].to_list()
