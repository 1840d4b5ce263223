"""A column of captions in any type -> the texts of each row (n,); or a table with a row a text."""

from collections.abc import Sequence

import polars as pl

from unprompt.index.captions.names import fields_of, instance_of
from unprompt.index.captions.texts import texts_of

TEXT = (pl.String, pl.Categorical, pl.Enum)
NESTED = (pl.List, pl.Array, pl.Struct)


def holds_texts(kind: pl.DataType) -> bool:
    """Whether a column of this type can hold captions: text, bytes, lists or structs of them."""
    if isinstance(kind, pl.List | pl.Array):
        return holds_texts(instance_of(kind.inner))
    if isinstance(kind, pl.Struct):
        return any(holds_texts(one) for one in fields_of(kind).values())
    return kind in (*TEXT, pl.Binary, pl.Null)


def caption_lists(column: pl.Series, field: str | None = None) -> list[list[str]]:
    """The texts of each row, without blank ones."""
    if column.dtype in TEXT:
        column = column.cast(pl.String)
    return [texts_of(value, field) for value in column.to_list()]


def row_each(table: pl.DataFrame, name: str, first: bool = False) -> tuple[pl.DataFrame, int]:
    """The table with one text in the column `name`: a row for each text, and the rows added.

    A row without a text keeps null. `first` takes the first text alone. A column of plain text
    stays as it is, apart from texts that are lists themselves.
    """
    column = table[name]
    if column.dtype in (*TEXT, pl.Null):
        texts = column.cast(pl.String)
        if not _has_lists(texts):
            return table.with_columns(texts.alias(name)), 0
        column = texts
    lists: Sequence[list[str | None]] = [list(found) or [None] for found in caption_lists(column)]
    if first:
        lists = [found[:1] for found in lists]
    exploded = table.with_columns(pl.Series(name, lists, pl.List(pl.String))).explode(name)
    return exploded, exploded.height - table.height


def _has_lists(texts: pl.Series) -> bool:
    """Whether a text begins as the JSON of a list or an object of texts does."""
    return bool(texts.str.contains(r"""^\s*[\[{]\s*["'{]""").any())
