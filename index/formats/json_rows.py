"""JSON values, each a row -> batches of some of their keys."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.captions.names import keys_below
from unprompt.index.captions.texts import follow, mend_bytes, texts_of
from unprompt.index.formats.rows import PickColumns, batches, text_frame
from unprompt.index.formats.tally import Tally

FIRST = 200  # objects whose keys are shown
Found = tuple[str, Any]  # where the value is, for messages; the value, or the error in its place


class _Missing:
    """Marks a key that is not there, in contrast to null."""


def stream_rows(
    found: Iterator[Found], path: Path, pick: PickColumns, tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield the picked keys of each object; an error, or an object without a key, is a fault.

    `pick` sees the keys of the first objects. A value may also be a plain string: it is that of the
    first picked key. Keys within objects have names with dots.
    """
    names: list[str] = []
    for batch in batches(found):
        rows: list[list[Any]] = []
        for place, value in batch:
            tally.read += 1
            if isinstance(value, Exception):
                tally.fault(f"{place}: not valid JSON ({value})")
                continue
            if isinstance(value, dict):
                names = names or pick(_all_keys(batch), path)
                value = [_member(value, name) for name in names]
            else:
                value = [value]
            fault = _check(value, names)
            if fault is None:
                rows.append([_text(value[0]), *value[1:]])
            else:
                tally.fault(f"{place}: {fault}")
        shown = names or ["prompt"]
        filled = [[*row, *[None] * (len(shown) - len(row))] for row in rows]
        yield text_frame(shown, list(zip(*filled, strict=True)) or [[] for _ in shown], tally)


def _all_keys(batch: Sequence[Found]) -> list[str]:
    """The keys of the first objects of a batch, in the order in which they come."""
    objects = [value for _, value in batch if isinstance(value, dict)][:FIRST]
    return list(dict.fromkeys(key for value in objects for key in keys_below(value)))


def _member(value: dict[str, Any], name: str) -> Any:
    """The value of a key, or of keys within each other by a name with dots."""
    if name in value:
        return value[name]
    inner = follow(value, name)
    return _Missing if inner is None and name.partition(".")[0] not in value else inner


def _text(value: object) -> str | None:
    """A text as it is, or the texts of a list or an object as JSON, which `row_each` reads."""
    if value is None or isinstance(value, str):
        return value
    texts = [mend_bytes(text) for text in texts_of(value)]
    return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)


def _check(values: list[Any], names: list[str]) -> str | None:
    """Turn numbers beside the prompt, such as scores, into texts; returns what is wrong."""
    for place, found in enumerate(values):
        if found is _Missing:
            return f"no key {names[place]!r}"
        if isinstance(found, bool | int | float) and place:
            values[place] = repr(found)
        elif found is None or isinstance(found, str):
            continue
        elif place or not texts_of(found):
            return f"wanted a string, got {type(found).__name__}"
    return None
