"""One JSON document (.json; .gz) with a row per item -> batches of some of its keys.

The items are an array, the longest array of an object, or the values of an object. The key of such
a value is its `file_name` if it has none: `{"1.jpeg": {"prompt": ...}}` or `{"1.jpeg": "..."}`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.json_rows import Found, stream_rows
from unprompt.index.formats.rows import PickColumns
from unprompt.index.formats.tally import Tally
from unprompt.index.formats.text import open_text

FILE_NAME, PROMPT = "file_name", "prompt"
LONGEST = 2**30  # bytes


def stream_json_document(path: Path, pick: PickColumns, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the picked keys of each item; raises CorpusError if the document is none."""
    if path.stat().st_size > LONGEST:
        raise CorpusError(
            f"{path} is larger than {LONGEST >> 30} GiB; write it as .jsonl, one item per line"
        )
    try:
        with open_text(path) as handle:
            document = json.load(handle)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path} is not valid JSON ({error}); fetch the file again") from error
    yield from stream_rows(_items(path, document), path, pick, tally)


def _items(path: Path, document: Any) -> Iterator[Found]:
    if isinstance(document, dict):
        arrays = [value for value in document.values() if _is_rows(value)]
        items = max(arrays, key=len) if arrays else [_named(*item) for item in document.items()]
    elif isinstance(document, list):
        items = document
    else:
        raise CorpusError(f"{path} holds no array and no object of items")
    for number, item in enumerate(items):
        yield f"{path}: item {number}", item


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _named(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {FILE_NAME: key, **value}
    return {FILE_NAME: key, PROMPT: value}
