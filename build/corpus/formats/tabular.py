"""A .csv or .tsv file with a header (or .gz of one) -> batches of some of its columns."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from unprompt.build.corpus.formats.rows import PickColumns, batches, text_frame
from unprompt.build.corpus.formats.tally import BLANK, Tally
from unprompt.build.corpus.formats.text import GZIP, open_text
from unprompt.index.base.errors import CorpusError

SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}
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
    many fields as the header.
    """
    records = read_records(path, _dialect(path))
    _, header = next(records, (0, []))
    names = pick(header, path)
    yield from take_fields(path, records, names, [header.index(name) for name in names], tally)


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
    """The most frequent separator of the header; on a tie the usual one of the suffix."""
    suffix = path.with_suffix("").suffix if path.suffix.lower() == GZIP else path.suffix
    with open_text(path) as handle:
        header = handle.readline()
    dialect = Dialect(max(SEPARATORS[suffix.lower()], key=header.count))
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
