"""A text file with one prompt per line (or .gz of one) -> batches; opens all text formats."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.rows import PickColumns, batches, text_frame
from unprompt.index.formats.tally import Tally

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
GZIP = ".gz"


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open UTF-8 with or without a byte order mark; an invalid byte becomes a lone surrogate.

    Valid UTF-8 contains replacement characters but no surrogates, so rows with invalid bytes can be
    counted exactly. Raises CorpusError for UTF-16 and for a truncated .gz file.
    """
    opener = gzip.open if path.suffix.lower() == GZIP else open
    try:
        with opener(path, "rb") as handle:
            if handle.read(2) in UTF16_MARKS:
                raise CorpusError(f"{path} is UTF-16; save it as UTF-8 and read it again")
        with opener(
            path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline=newline
        ) as text:
            yield text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(f"{path} is not a complete .gz file ({error}); fetch it again") from error


def stream_text(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the lines of a file as the column `prompt`; `pick` is not used."""
    with open_text(path) as handle:
        for lines in batches(iter(handle)):
            tally.read += len(lines)
            yield text_frame(["prompt"], [[line.rstrip("\n") for line in lines]], tally)
