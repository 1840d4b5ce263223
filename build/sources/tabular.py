"""A .csv or .tsv file with a header -> the rows of one of its columns."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from unprompt.build.sources.rows import PromptRows, choose_column
from unprompt.build.sources.text import open_text
from unprompt.index.errors import CorpusError

SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}


def read_tabular(path: Path, column: str | None = None) -> PromptRows:
    """One column of a table; a row too short to have it is skipped and counted as a fault.

    Quotes are read as spreadsheets write them. Many .tsv files know no quoting at all, and a
    prompt may start with a quote: a .tsv that breaks the rules of quoting but is a clean
    rectangle without them is read as it stands.
    """
    separator = _separator(path)
    try:
        return _column(path, column, _records(path, separator, csv.QUOTE_MINIMAL))
    except CorpusError:
        if separator == "\t" and _is_rectangle(path):
            return _column(path, column, _records(path, separator, csv.QUOTE_NONE))
        raise


def _separator(path: Path) -> str:
    """The separator that the header has the most of; the usual one of the suffix in a draw."""
    with open_text(path) as handle:
        header = handle.readline()
    return max(SEPARATORS[path.suffix.lower()], key=header.count)


def _records(path: Path, separator: str, quoting: Literal[0, 3]) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and fields of each record."""
    with open_text(path, newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, quoting=quoting, strict=True)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error as error:
            raise CorpusError(
                f"{path}:{reader.line_num}: {error}; a field that holds a quote or a line break "
                'must stand in double quotes, its own quotes doubled ("")'
            ) from error


def _is_rectangle(path: Path) -> bool:
    """Whether every line has as many fields as the header when quotes mean nothing."""
    records = _records(path, "\t", csv.QUOTE_NONE)
    widths = {len(fields) for _, fields in records if fields}
    return len(widths) == 1


def _column(path: Path, column: str | None, records: Iterator[tuple[int, list[str]]]) -> PromptRows:
    _, header = next(records, (0, []))
    at = header.index(choose_column(header, column, path))
    rows = PromptRows()
    for line, fields in records:
        if len(fields) > at:
            rows.prompts.append(fields[at])
        elif not fields:
            rows.prompts.append(None)
        else:
            rows.faults.append(f"{path}:{line}: {len(fields)} fields, wanted {len(header)}")
    return rows
