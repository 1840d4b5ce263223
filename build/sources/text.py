"""A text file with a prompt a line -> its rows; also opens the other text formats."""

from pathlib import Path
from typing import TextIO

from unprompt.build.sources.rows import PromptRows
from unprompt.index.errors import CorpusError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def open_text(path: Path, newline: str | None = None) -> TextIO:
    """Open UTF-8 with or without a byte order mark; a bad byte reads as a lone surrogate.

    Surrogates, unlike replacement characters, cannot stand in valid UTF-8, so that the rows with
    bad bytes can be counted exactly.
    """
    with path.open("rb") as handle:
        if handle.read(2) in UTF16_MARKS:
            raise CorpusError(f"{path} is UTF-16; save it as UTF-8 and read it again")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def read_text(path: Path, column: str | None = None) -> PromptRows:
    """The lines of a file; `column` has no meaning here."""
    with open_text(path) as handle:
        return PromptRows([line.rstrip("\n") for line in handle])
