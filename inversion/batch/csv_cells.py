"""Texts of strangers -> cells of a CSV that no spreadsheet computes and no terminal obeys."""

import re
from typing import TYPE_CHECKING

from unprompt.index.texts.visible import visible

if TYPE_CHECKING:
    import polars as pl

# What spreadsheets take for a formula, in its wide forms too, or strip before they look.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def harmless_cell(text: str) -> str:
    """The text with hidden characters written out, and with ' before what begins as a formula."""
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def harmless_table(table: "pl.DataFrame") -> "pl.DataFrame":
    """A table whose columns of text hold harmless cells."""
    import polars as pl

    columns = [
        pl.Series(name, [text and harmless_cell(text) for text in table[name]], pl.String)
        for name, kind in table.schema.items()
        if kind == pl.String
    ]
    return table.with_columns(columns)
