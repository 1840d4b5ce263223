"""A file with one JSON value per line (.jsonl, .ndjson; .gz) -> batches of some of its keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.formats.rows import PickColumns, batches, text_frame
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.formats.text import open_text


class _Missing:
    """Marks a key that is not there, in contrast to null."""


def stream_json_lines(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked keys of each object; a broken line, or one without a key, is a fault.

    `pick` sees the keys of the first object. A line may also be a plain string: it is the value of
    the first picked key.
    """
    with open_text(path) as handle:
        names: list[str] = []
        for batch in batches(enumerate(handle, start=1)):
            rows: list[list[str | None]] = []
            for line, text in batch:
                tally.read += 1
                try:
                    value = json.loads(text) if text.strip() else None
                except (ValueError, RecursionError) as error:
                    tally.fault(f"{path}:{line}: not valid JSON ({error})")
                    continue
                if isinstance(value, dict):
                    names = names or pick(list(value), path)
                    value = [value.get(name, _Missing) for name in names]
                else:
                    value = [value]
                fault = _check(value, names)
                if fault is None:
                    rows.append(value)
                else:
                    tally.fault(f"{path}:{line}: {fault}")
            shown = names or ["prompt"]
            filled = [[*row, *[None] * (len(shown) - len(row))] for row in rows]
            yield text_frame(shown, list(zip(*filled, strict=True)) or [[] for _ in shown], tally)


def _check(values: list[Any], names: list[str]) -> str | None:
    """Turn numbers beside the prompt, such as scores, into texts; returns what is wrong."""
    for place, found in enumerate(values):
        if found is _Missing:
            return f"no key {names[place]!r}"
        if isinstance(found, bool | int | float) and place:
            values[place] = repr(found)
        elif found is not None and not isinstance(found, str):
            return f"wanted a string, got {type(found).__name__}"
    return None
