"""A .csv or .tsv file, with or without a header (or .gz of one) -> batches of its columns."""

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.headers import is_header, is_table, longest_column
from unprompt.index.formats.rows import PickColumns, batches, text_frame
from unprompt.index.formats.tally import BLANK, Tally
from unprompt.index.formats.text import GZIP, open_text

SEPARATORS = {".csv": ",;\t|", ".tsv": "\t"}
EXCEL = re.compile(r"sep=(.)")  # a first line that tells the separator
FIRST = 200  # records that decide about the header
LONGEST_FIELD = min(sys.maxsize, 2**31 - 1)  # csv's default of 128 KiB is too low
Record = tuple[int, list[str]]  # number of its last line, fields


class Dialect(NamedTuple):
    """How the fields of a table are separated."""

    separator: str
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    strict: bool = True


def stream_tabular(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked columns; a row that is too short is skipped and counted as a fault.

    Quotes follow the rules of spreadsheets. Many .tsv files have no quoting, and a prompt may start
    with a quote. So a .tsv that breaks the rules is read without quoting if then every row has as
    many fields as the header. A row with more fields than the header has separators in its prompt,
    which are kept. A file without a header is a list of prompts, or a table whose columns are
    called column_1, column_2 and so on.
    """
    dialect = _dialect(path)
    records = read_records(path, dialect)
    first = list(islice(records, FIRST))
    while first and (not first[0][1] or EXCEL.fullmatch(dialect.separator.join(first[0][1]))):
        first = first[1:]
    whole = chain(first, records)
    told = [fields for _, fields in first if fields]
    header = told[0] if told else []
    if not told or _has_header(header, pick, path):
        if _has_row_names(header, told[1:]):
            header = ["", *header]
        names = pick(header, path)
        places = [header.index(name) for name in names]
        rows = _rejoined(islice(whole, 1, None), len(header), places[0], dialect)
    elif is_table(told):
        names, places = _pick_numbered(told, pick, path)
        rows = _rejoined(whole, len(header), places[0], dialect)
    else:
        names, places = pick(["prompt"], path), [0]
        rows = _rejoined(whole, 1, 0, dialect)
    yield from take_fields(path, rows, names, places, tally)


def _has_header(header: Sequence[str], pick: PickColumns, path: Path) -> bool:
    if is_header(header):
        return True
    try:
        return len(header) > 1 and bool(pick(header, path))
    except CorpusError:
        return False


def _has_row_names(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether R wrote the table: a column of row numbers that the header does not name."""
    return bool(rows) and all(
        len(row) == len(header) + 1 and row[0] == str(number)
        for number, row in enumerate(rows, start=1)
    )


def _pick_numbered(
    rows: Sequence[Sequence[str]], pick: PickColumns, path: Path
) -> tuple[list[str], list[int]]:
    """The columns to read of a table without a header; without a name, the longest texts."""
    columns = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
    try:
        names = pick(columns, path)
    except CorpusError:
        columns[longest_column(rows)] = "prompt"
        names = pick(columns, path)
    return names, [columns.index(name) for name in names]


def _rejoined(
    records: Iterable[Record], width: int, place: int, dialect: Dialect
) -> Iterator[Record]:
    """The records with the separators that an unquoted prompt holds put back into it."""
    for line, fields in records:
        more = len(fields) - width
        while more > 0 and not fields[-1].strip():  # separators that end the line
            fields, more = fields[:-1], more - 1
        if more > 0:
            end = place + more + 1
            joined = dialect.separator.join(fields[place:end])
            fields = [*fields[:place], joined, *fields[end:]]
        yield line, fields


def take_fields(
    path: Path, records: Iterator[Record], names: list[str], places: list[int], tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield the fields at `places` of each record as the columns `names`."""
    wanted = max(places) + 1
    for batch in batches(records):
        tally.read += len(batch)
        complete = []
        for line, fields in batch:
            if len(fields) >= wanted:
                complete.append(fields)
            elif not fields:
                tally.drop(BLANK)
            else:
                tally.fault(f"{path}:{line}: {len(fields)} fields, wanted at least {wanted}")
        yield text_frame(names, [[fields[place] for fields in complete] for place in places], tally)


def read_records(path: Path, dialect: Dialect) -> Iterator[Record]:
    """Yield the records of a table with its header; raises CorpusError if the quoting is broken."""
    csv.field_size_limit(LONGEST_FIELD)
    with open_text(path, newline="") as handle:
        reader = csv.reader(
            handle, delimiter=dialect.separator, quoting=dialect.quoting, strict=dialect.strict
        )
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error as error:
            raise CorpusError(
                f"{path}:{reader.line_num}: {error}; a field that holds a quote or a line break "
                'must be in double quotes, with its own quotes doubled ("")'
            ) from error


def _dialect(path: Path) -> Dialect:
    """The most frequent separator of the first line; on a tie the one that all lines have."""
    suffix = path.with_suffix("").suffix if path.suffix.lower() == GZIP else path.suffix
    with open_text(path) as handle:
        lines = list(islice((line for line in handle if line.strip()), FIRST))

    def rank(separator: str) -> tuple[int, bool]:
        return lines[0].count(separator), all(separator in line for line in lines)

    told = EXCEL.fullmatch(lines[0].strip()) if lines else None
    if told is not None:
        return Dialect(told[1])
    usual = SEPARATORS[suffix.lower()]
    dialect = Dialect(max(usual, key=rank) if lines else usual[0])
    if dialect.separator != "\t":
        return dialect
    plain = Dialect("\t", csv.QUOTE_NONE)
    return plain if not _is_quoted(path) and _is_rectangle(path, plain) else dialect


def _is_quoted(path: Path) -> bool:
    """Whether all quotes of the file follow the rules."""
    try:
        for _ in read_records(path, Dialect("\t")):
            pass
    except CorpusError:
        return False
    return True


def _is_rectangle(path: Path, dialect: Dialect) -> bool:
    """Whether every line that is not blank has the same number of fields."""
    widths = {len(fields) for _, fields in read_records(path, dialect) if fields}
    return len(widths) == 1
