"""Helpers of all readers: rows in batches, texts as a polars frame, the choice of columns."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import polars as pl

from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError

BATCH = 50_000  # rows in memory at a time
PROMPT_COLUMNS = ("prompt", "caption", "text")  # searched in this order if no column is named
NAME_IT = "; name the one that holds the prompts with the setting `column`"
_SURROGATES = re.compile("[\ud800-\udfff]")

T = TypeVar("T")
PickColumns = Callable[[Sequence[str], Path], list[str]]  # the columns of a file -> those to read


def batches(items: Iterator[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield lists of at most `size` items, in order."""
    while batch := list(islice(items, size)):
        yield batch


def text_frame(
    names: Sequence[str], columns: Sequence[Sequence[str | None]], tally: Tally
) -> pl.DataFrame:
    """Columns of texts as a frame; lone surrogates become U+FFFD and their rows are counted."""
    schema = dict.fromkeys(names, pl.String)
    try:
        return pl.DataFrame(dict(zip(names, columns, strict=True)), schema=schema)
    except UnicodeEncodeError:
        valid = [[text and _SURROGATES.sub("\ufffd", text) for text in one] for one in columns]
        rows = zip(zip(*columns, strict=True), zip(*valid, strict=True), strict=True)
        tally.undecodable += sum(before != after for before, after in rows)
        return pl.DataFrame(dict(zip(names, valid, strict=True)), schema=schema)


def pick_prompt(column: str | None) -> PickColumns:
    """Read one column: the one that `choose_column` chooses."""
    return lambda columns, path: [choose_column(columns, column, path)]


def choose_column(columns: Sequence[str], wanted: str | None, path: Path) -> str:
    """The column that holds the prompts; raises CorpusError if there is none.

    Without `wanted` it is the first of `PROMPT_COLUMNS`, in any case, or the only column.
    """
    if wanted is not None and wanted in columns:
        return wanted
    found = find_column(columns, PROMPT_COLUMNS if wanted is None else (wanted,))
    if found is None and wanted is None and len(columns) == 1:
        return columns[0]
    if found is None:
        names = f"named {', '.join(PROMPT_COLUMNS)}" if wanted is None else repr(wanted)
        raise missing_column(path, names, columns, NAME_IT)
    return found


def find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The first of `names` among `columns`, in any case; None if there is none."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def missing_column(path: Path, name: str, columns: Sequence[str], hint: str = "") -> CorpusError:
    """The error for a table without the column `name`; `hint` says what mends it."""
    return CorpusError(
        f"{path} has no column {name}; its columns are: {', '.join(columns) or 'none'}{hint}"
    )
