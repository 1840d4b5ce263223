"""A file with one JSON value per line (.jsonl, .ndjson; .gz) -> batches of some of its keys."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from unprompt.index.formats.json_rows import Found, stream_rows
from unprompt.index.formats.rows import PickColumns
from unprompt.index.formats.tally import Tally
from unprompt.index.formats.text import open_text


def stream_json_lines(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked keys of each object; a broken line, or one without a key, is a fault."""
    with open_text(path) as handle:
        yield from stream_rows(_values(path, handle), path, pick, tally)


def _values(path: Path, lines: Iterable[str]) -> Iterator[Found]:
    for line, text in enumerate(lines, start=1):
        try:
            yield f"{path}:{line}", json.loads(text) if text.strip() else None
        except (ValueError, RecursionError) as error:
            yield f"{path}:{line}", error
