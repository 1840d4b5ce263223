"""A file with a JSON value a line (.jsonl, .ndjson), .gz or not -> batches of some of its keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.formats.rows import Pick, batches, frame_of
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.formats.text import open_text


class _Missing:
    """Stands for a key that is not there, which null is not."""


def stream_json_lines(path: Path, pick: Pick, tally: Tally) -> Iterator[pl.DataFrame]:
    """Keys of each object; a line that is broken or lacks one of them is skipped as a fault.

    The first object decides which keys are read. A line may also be a plain string: the value of
    the first of them.
    """
    with open_text(path) as handle:
        names: list[str] | None = None
        for batch in batches(enumerate(handle, start=1)):
            rows: list[list[str | None]] = []
            for line, text in batch:
                value = _parse(path, line, text, tally)
                if isinstance(value, dict):
                    names = names or pick(list(value), path)
                row = None if value is _Missing else _take(path, line, value, names, tally)
                if row is not None:
                    rows.append(row)
            shown = names or ["prompt"]
            filled = [[*row, *[None] * (len(shown) - len(row))] for row in rows]
            yield frame_of(shown, list(zip(*filled, strict=True)) or [[] for _ in shown], tally)


def _parse(path: Path, line: int, text: str, tally: Tally) -> Any:
    """The value of a line; null for an empty one, `_Missing` after a fault."""
    tally.read += 1
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        tally.fault(f"{path}:{line}: not valid JSON ({error})")
        return _Missing


def _take(
    path: Path, line: int, value: Any, names: list[str] | None, tally: Tally
) -> list[str | None] | None:
    """The values of one row; none after a fault."""
    values = (
        [value.get(name, _Missing) for name in names or ()] if isinstance(value, dict) else [value]
    )
    for place, found in enumerate(values):
        if found is _Missing:
            tally.fault(f"{path}:{line}: no key {(names or [''])[place]!r}")
            return None
        if isinstance(found, bool | int | float) and place:  # a score beside the prompt
            values[place] = repr(found)
        elif found is not None and not isinstance(found, str):
            tally.fault(f"{path}:{line}: wanted a string, got {type(found).__name__}")
            return None
    return values
