"""A parquet file's schema -> the column that holds encoded pictures.

Such a column holds bytes, or structs of `bytes` and `path` as Hugging Face datasets writes them.
"""

import polars as pl

from unprompt.index.captions.names import fields_of

PICTURE_COLUMNS = ("image", "jpg", "png", "webp", "bytes", "img")
NAME_COLUMNS = ("path", "file_name", "filename", "key", "id")


def find_picture_column(schema: pl.Schema) -> str | None:
    """The column that holds pictures; None if there is none."""
    for column in (*PICTURE_COLUMNS, *schema):
        kind = schema.get(column)
        if kind == pl.Binary or (kind is not None and fields_of(kind).get("bytes") == pl.Binary):
            return column
    return None


def name_of_picture(schema: pl.Schema, column: str) -> pl.Expr:
    """An expression for the name of each row's picture; null for a row without one."""
    named = next((name for name in NAME_COLUMNS if schema.get(name) == pl.String), None)
    if named is not None:
        return pl.col(named)
    if "path" in fields_of(schema[column]):
        return pl.col(column).struct.field("path")
    return pl.lit(None, pl.String)
