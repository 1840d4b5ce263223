"""A table in any supported format, named by its suffix -> batches of some of its columns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.columns import holds_texts, row_each
from unprompt.index.formats.json_documents import stream_json_document
from unprompt.index.formats.json_lines import stream_json_lines
from unprompt.index.formats.parquet import stream_parquet
from unprompt.index.formats.rows import NAME_IT, PickColumns
from unprompt.index.formats.tabular import stream_tabular
from unprompt.index.formats.tally import Tally
from unprompt.index.formats.text import GZIP, stream_text

READERS: dict[str, Callable[[Path, PickColumns, Tally], Iterator[pl.DataFrame]]] = {
    ".txt": stream_text,
    ".csv": stream_tabular,
    ".tsv": stream_tabular,
    ".parquet": stream_parquet,
    ".jsonl": stream_json_lines,
    ".ndjson": stream_json_lines,
    ".json": stream_json_document,
}
COMPRESSED = tuple(suffix for suffix in READERS if suffix != ".parquet")
ACCEPTED = f"accepted are {', '.join(READERS)}, all but parquet also as {GZIP}"


def stream_table(
    path: Path, pick: PickColumns, tally: Tally, first: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield the picked columns of a file; the first of them gets a row for each of its texts.

    `first` takes the first text of a row alone. Raises CorpusError if the file cannot be read.
    """
    for frame in stream_columns(path, pick, tally):
        column = frame.columns[0]
        if not holds_texts(frame.schema[column]):
            raise CorpusError(
                f"{path}: column {column} holds {frame.schema[column]}, wanted text{NAME_IT}"
            )
        rows, added = row_each(frame, column, first)
        tally.read += added
        yield rows


def stream_columns(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked columns of a file as they are; raises CorpusError if it cannot be read."""
    suffix = check_table_file(path)
    try:
        if path.stat().st_size == 0:
            raise CorpusError(f"{path} is empty; {ACCEPTED}")
        yield from READERS[suffix](path, pick, tally)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error


def check_table_file(path: Path) -> str:
    """The suffix that names the format, without .gz; raises CorpusError if it has no reader."""
    if path.is_dir():
        raise CorpusError(f"{path} is a folder, wanted a prompt file; {ACCEPTED}")
    if not path.exists():
        raise CorpusError(f"there is no prompt file {path}; {ACCEPTED}")
    suffix = path.suffix.lower()
    if suffix == GZIP and path.with_suffix("").suffix.lower() in COMPRESSED:
        return path.with_suffix("").suffix.lower()
    if suffix not in READERS:
        raise CorpusError(f"{path} has the unknown suffix {path.suffix!r}; {ACCEPTED}")
    return suffix
