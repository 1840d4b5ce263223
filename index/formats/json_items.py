"""One large JSON document -> the items of one of its top-level arrays, streamed by ijson.

Caption collections ship as such a document: `{"images": [...], "annotations": [...]}`.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import ijson

from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.text import open_text

BUFFER_BYTES = 1 << 16
# A JSON parser accepts only UTF-8. A bad byte, which `open_text` reads as a lone surrogate, passes
# the parser as a character for private use.
PRIVATE, SURROGATES = 0x10F800, 0xDC00
_PRIVATE = re.compile("[\U0010f880-\U0010f8ff]")


def _to_private(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    private = "".join(chr(ord(letter) - SURROGATES + PRIVATE) for letter in bad)
    return private.encode("utf-8"), error.end


codecs.register_error("unprompt-private", _to_private)


class _Utf8:
    """Text as the UTF-8 bytes that the parser reads."""

    def __init__(self, handle: TextIO):
        self._handle = handle
        self.repaired = False  # whether a bad byte was read

    def read(self, size: int = -1) -> bytes:
        """The next `size` characters as bytes."""
        text = self._handle.read(size)
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError:
            self.repaired = True
            return text.encode("utf-8", "unprompt-private")


def stream_items(path: Path, key: str) -> Iterator[Any]:
    """Yield the items of the top-level array `key`; numbers with a fraction are Decimal.

    A byte that is not UTF-8 becomes a lone surrogate, as in `open_text`. Raises CorpusError if the
    array is missing, or if the document is damaged or cut short. The items before the damage are
    yielded first.
    """
    count = 0
    try:
        with open_text(path) as handle:
            text = _Utf8(handle)
            for item in ijson.items(text, f"{key}.item", buf_size=BUFFER_BYTES):
                count += 1
                yield _to_surrogates(item) if text.repaired else item
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
    with open_text(path) as handle:
        for prefix, event, value in ijson.parse(_Utf8(handle)):
            if prefix == key and event == "start_array":
                return
            if prefix == "" and event == "map_key":
                names.append(value)
    raise CorpusError(
        f"{path} has no array {key!r}; its top-level keys are: {', '.join(names) or 'none'}"
    )


def _to_surrogates(item: Any) -> Any:
    """The item with lone surrogates in place of the private characters."""
    if isinstance(item, str):
        return _PRIVATE.sub(lambda found: chr(ord(found[0]) - PRIVATE + SURROGATES), item)
    if isinstance(item, list):
        return [_to_surrogates(part) for part in item]
    if isinstance(item, dict):
        return {_to_surrogates(name): _to_surrogates(part) for name, part in item.items()}
    return item


def _describe(error: ijson.JSONError) -> str:
    """The parser's reason and the text where it stopped, without the arrow that marks the place."""
    message = error.args[0]
    if isinstance(message, bytes):  # yajl cuts the quoted text anywhere, also within a character
        message = message.decode("utf-8", "replace")
    reason, near, *_ = [*(line.strip() for line in message.splitlines()), ""]
    return f"{reason} at {near!r}" if near else reason
