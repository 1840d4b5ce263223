"""One large JSON document -> the items of one of its top-level arrays, streamed by ijson.

The caption collections ship as a single object: `{"images": [...], "annotations": [...]}`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from unprompt.build.corpus.formats.text import open_bytes
from unprompt.index.base.errors import CorpusError

BUFFER_BYTES = 1 << 16


def stream_items(path: Path, key: str) -> Iterator[Any]:
    """Yield the items of the top-level array `key`; numbers with a fraction are Decimal.

    Raises CorpusError if the array is missing, or if the document is damaged or cut short. The
    items before the damage are yielded first.
    """
    count = 0
    try:
        with open_bytes(path) as handle:
            for item in ijson.items(handle, f"{key}.item", buf_size=BUFFER_BYTES):
                count += 1
                yield item
        if not count:
            _require_array(path, key)
    except ijson.JSONError as error:
        raise CorpusError(
            f"{path} is not valid JSON, after item {count} of {key!r}: {_describe(error)}; "
            "fetch the file again"
        ) from error


def _require_array(path: Path, key: str) -> None:
    """Raise CorpusError unless the document is an object that has an array `key`."""
    names = []
    with open_bytes(path) as handle:
        for prefix, event, value in ijson.parse(handle):
            if prefix == key and event == "start_array":
                return
            if prefix == "" and event == "map_key":
                names.append(value)
    raise CorpusError(
        f"{path} has no array {key!r}; its top-level keys are: {', '.join(names) or 'none'}"
    )


def _describe(error: ijson.JSONError) -> str:
    """The parser's reason and the text where it stopped, without the arrow below it."""
    message = error.args[0]
    if isinstance(message, bytes):  # yajl quotes text that is not UTF-8 as bytes
        message = message.decode("utf-8", "replace")
    reason, near, *_ = [*(line.strip() for line in message.splitlines()), ""]
    return f"{reason} at {near!r}" if near else reason
