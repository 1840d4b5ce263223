"""A text file with a prompt a line, .gz or not -> batches of rows; also opens the other texts."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import polars as pl

from unprompt.build.corpus.formats.rows import Pick, batches, frame_of
from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
GZIP = ".gz"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open UTF-8 text, .gz or not, as bytes behind a byte order mark.

    Raises CorpusError for UTF-16 and for a cut .gz file.
    """
    opener = gzip.open if path.suffix.lower() == GZIP else open
    try:
        with opener(path, "rb") as handle:
            mark = handle.read(3)
            if mark[:2] in UTF16_MARKS:
                raise CorpusError(f"{path} is UTF-16; save it as UTF-8 and read it again")
            if mark != codecs.BOM_UTF8:
                handle.seek(0)
            yield cast(BinaryIO, handle)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(f"{path} is not a whole .gz file ({error}); fetch it again") from error


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open UTF-8 as `open_bytes` does; a bad byte reads as a lone surrogate.

    Surrogates, unlike replacement characters, cannot stand in valid UTF-8, so that the rows with
    bad bytes can be counted exactly.
    """
    with open_bytes(path) as handle:
        yield io.TextIOWrapper(handle, "utf-8", "surrogateescape", newline)


def stream_text(path: Path, pick: Pick, tally: Tally) -> Iterator[pl.DataFrame]:
    """The lines of a file as a column `prompt`; there are no columns to pick from."""
    with open_text(path) as handle:
        for lines in batches(iter(handle)):
            tally.read += len(lines)
            yield frame_of(["prompt"], [[line.rstrip("\n") for line in lines]], tally)
