"""A .csv or .tsv file with a header, .gz or not -> batches of rows of some of its columns."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from unprompt.build.corpus.formats.rows import Pick, batches, frame_of
from unprompt.build.corpus.formats.tally import BLANK, Tally
from unprompt.build.corpus.formats.text import GZIP, open_text
from unprompt.index.base.errors import CorpusError

SEPARATORS = {".csv": ",;\t", ".tsv": "\t"}
LONGEST_FIELD = min(sys.maxsize, 2**31 - 1)  # csv's own limit, 128 KiB, is too short for articles
Record = tuple[int, list[str]]  # number of its last line, fields


class Dialect(NamedTuple):
    """How the fields of a table are told apart."""

    separator: str
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    strict: bool = True


def stream_tabular(path: Path, pick: Pick, tally: Tally) -> Iterator[pl.DataFrame]:
    """Columns of a table; a row too short to have them is skipped and counted as a fault.

    Quotes are read as spreadsheets write them. Many .tsv files know no quoting at all, and a
    prompt may start with a quote: a .tsv that breaks the rules of quoting but is a clean
    rectangle without them is read as it stands.
    """
    records = read_records(path, _dialect(path))
    _, header = next(records, (0, []))
    names = pick(header, path)
    yield from take_fields(path, records, names, [header.index(name) for name in names], tally)


def take_fields(
    path: Path, records: Iterator[Record], names: list[str], places: list[int], tally: Tally
) -> Iterator[pl.DataFrame]:
    """The fields at `places` of each record, as columns called `names`."""
    wanted = max(places) + 1
    for batch in batches(records):
        tally.read += len(batch)
        whole = []
        for line, fields in batch:
            if len(fields) >= wanted:
                whole.append(fields)
            elif not fields:
                tally.drop(BLANK)
            else:
                tally.fault(f"{path}:{line}: {len(fields)} fields, wanted at least {wanted}")
        yield frame_of(names, [[fields[place] for fields in whole] for place in places], tally)


def read_records(path: Path, dialect: Dialect) -> Iterator[Record]:
    """The records of a table, its header included; raises CorpusError where quoting is broken."""
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
                'must stand in double quotes, its own quotes doubled ("")'
            ) from error


def _dialect(path: Path) -> Dialect:
    """The separator that the header has the most of; the usual one of the suffix in a draw."""
    suffix = path.with_suffix("").suffix if path.suffix.lower() == GZIP else path.suffix
    with open_text(path) as handle:
        header = handle.readline()
    dialect = Dialect(max(SEPARATORS[suffix.lower()], key=header.count))
    if dialect.separator != "\t":
        return dialect
    plain = Dialect("\t", csv.QUOTE_NONE)
    return plain if not _is_quoted(path) and _is_rectangle(path, plain) else dialect


def _is_quoted(path: Path) -> bool:
    """Whether quotes, where there are any, follow the rules all through the file."""
    try:
        for _ in read_records(path, Dialect("\t")):
            pass
    except CorpusError:
        return False
    return True


def _is_rectangle(path: Path, dialect: Dialect) -> bool:
    """Whether every line has as many fields as the header when quotes mean nothing."""
    widths = {len(fields) for _, fields in read_records(path, dialect) if fields}
    return len(widths) == 1
