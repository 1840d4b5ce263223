"""A parquet file's schema -> the column with encoded pictures, as the field writes them.

That is a column of bytes, or Hugging Face's struct of `bytes` and `path`.
"""

from typing import Any

import polars as pl

COLUMNS = ("image", "jpg", "png", "webp", "bytes", "img")
NAMES = ("path", "file_name", "filename", "key", "id")


def find_picture_column(schema: pl.Schema) -> str | None:
    """The column that holds pictures; None where none does."""
    for column in (*COLUMNS, *schema):
        kind = schema.get(column)
        if kind == pl.Binary or (kind is not None and fields_of(kind).get("bytes") == pl.Binary):
            return column
    return None


def name_of_picture(schema: pl.Schema, column: str) -> pl.Expr:
    """What each row calls its picture; null where it has no name."""
    named = next((name for name in NAMES if schema.get(name) == pl.String), None)
    if named is not None:
        return pl.col(named)
    if "path" in fields_of(schema[column]):
        return pl.col(column).struct.field("path")
    return pl.lit(None, pl.String)


def fields_of(kind: pl.DataType) -> dict[str, Any]:
    """The fields of a struct; none of any other type."""
    return dict(kind.to_schema()) if isinstance(kind, pl.Struct) else {}
