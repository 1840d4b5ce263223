"""Rows of a prompt file to batches: lists of texts -> polars frames; and the choice of columns."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import polars as pl

from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError

BATCH = 50_000  # rows in memory at a time
# Looked for in this order, in any case, where the user names no column.
PROMPT_COLUMNS = ("prompt", "caption", "text")
_UNDECODED = re.compile("[\ud800-\udfff]")

T = TypeVar("T")
Pick = Callable[[Sequence[str], Path], list[str]]  # a file's columns -> those to read


def batches(items: Iterator[T], size: int = BATCH) -> Iterator[list[T]]:
    """Lists of at most `size` items, in order."""
    while batch := list(islice(items, size)):
        yield batch


def pick_prompt(column: str | None) -> Pick:
    """Reads the one column that holds the prompts: `column`, or the one that is named so."""
    return lambda columns, path: [choose_column(columns, column, path)]


def frame_of(
    names: Sequence[str], columns: Sequence[Sequence[str | None]], tally: Tally
) -> pl.DataFrame:
    """Columns of texts as a frame; lone surrogates, which no text may hold, become U+FFFD."""
    try:
        return pl.DataFrame(
            dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String)
        )
    except UnicodeEncodeError:
        mended = [[_mend(value) for value in column] for column in columns]
        changed = [
            any(old != new for old, new in zip(before, after, strict=True))
            for before, after in zip(
                zip(*columns, strict=True), zip(*mended, strict=True), strict=True
            )
        ]
        tally.undecodable += sum(changed)
        return frame_of(names, mended, tally)


def _mend(value: str | None) -> str | None:
    return None if value is None else _UNDECODED.sub("\ufffd", value)


def choose_column(columns: Sequence[str], wanted: str | None, path: Path) -> str:
    """The column of `path` that holds the prompts; raises CorpusError where none is meant."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    listed = ", ".join(columns) or "none"
    if wanted is not None:
        if wanted in columns:
            return wanted
        if wanted.lower() in by_name:
            return by_name[wanted.lower()]
        raise CorpusError(
            f"{path} has no column {wanted!r}; its columns are: {listed}; "
            "name one of them with the setting `column`"
        )
    for name in PROMPT_COLUMNS:
        if name in by_name:
            return by_name[name]
    if len(columns) == 1:
        return columns[0]
    raise CorpusError(
        f"{path} has no column named {', '.join(PROMPT_COLUMNS)}; its columns are: {listed}; "
        "name the one that holds the prompts with the setting `column`"
    )
