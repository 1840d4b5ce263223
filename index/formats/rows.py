"""Helpers of all readers: rows in batches, texts as a polars frame, the choice of columns."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.names import find_name
from unprompt.index.captions.texts import CAPTIONS, mend_bytes
from unprompt.index.formats.tally import Tally

BATCH = 50_000  # rows in memory at a time
NAME_IT = "; name the one that holds the prompts with the setting `column`"

T = TypeVar("T")
PickColumns = Callable[[Sequence[str], Path], list[str]]  # the columns of a file -> those to read


def batches(items: Iterator[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield lists of at most `size` items, in order."""
    while batch := list(islice(items, size)):
        yield batch


def text_frame(
    names: Sequence[str], columns: Sequence[Sequence[str | None]], tally: Tally
) -> pl.DataFrame:
    """Columns of texts as a frame; rows with lone surrogates are mended and counted.

    Where the rest of a text is ASCII its bad bytes are read as Windows-1252; else each is U+FFFD.
    """
    schema = dict.fromkeys(names, pl.String)
    try:
        return pl.DataFrame(dict(zip(names, columns, strict=True)), schema=schema)
    except UnicodeEncodeError:
        valid = [[text and mend_bytes(text) for text in one] for one in columns]
        rows = zip(zip(*columns, strict=True), zip(*valid, strict=True), strict=True)
        tally.undecodable += sum(before != after for before, after in rows)
        return pl.DataFrame(dict(zip(names, valid, strict=True)), schema=schema)


def pick_prompt(column: str | None) -> PickColumns:
    """Read one column: the one that `choose_column` chooses."""
    return lambda columns, path: [choose_column(columns, column, path)]


def choose_column(columns: Sequence[str], wanted: str | None, path: Path) -> str:
    """The column that holds the prompts; raises CorpusError if there is none.

    Without `wanted` it is the first of CAPTIONS, in any case, or the only column. Fields of structs
    have names with dots, such as `meta.prompt`.
    """
    if wanted is not None and wanted in columns:
        return wanted
    found = find_name(columns, CAPTIONS if wanted is None else (wanted,))
    if found is None and wanted is None and len(columns) == 1:
        return columns[0]
    if found is None:
        names = f"named {', '.join(CAPTIONS)}" if wanted is None else repr(wanted)
        raise missing_column(path, names, columns, NAME_IT)
    return found


def missing_column(path: Path, name: str, columns: Sequence[str], hint: str = "") -> CorpusError:
    """The error for a table without the column `name`; `hint` says what mends it."""
    return CorpusError(
        f"{path} has no column {name}; its columns are: {', '.join(columns) or 'none'}{hint}"
    )
