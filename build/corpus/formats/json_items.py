"""One big JSON document -> the items of one of its top-level arrays, a piece of text at a time.

The caption collections ship as a single object: `{"images": [...], "annotations": [...]}`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from unprompt.build.corpus.formats.text import open_text
from unprompt.index.base.errors import CorpusError

PIECE = 1 << 20  # characters
LONGEST_ITEM = 64 << 20
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_ENDS = tuple(f",:]}}{_SPACE}")  # of a value


def stream_items(path: Path, key: str) -> Iterator[Any]:
    """The items of the top-level array `key`, or all values of an object of objects where "".

    With an empty `key` yields (name, value). Raises CorpusError where the array is missing or
    the document is cut short; the items before the cut have been yielded by then.
    """
    with open_text(path) as handle:
        text = _Text(handle, path)
        text.expect("{", "a JSON object")
        names: list[str] = []
        for name in text.members():
            names.append(name)
            if not key:
                yield name, text.value()
            elif text.peek() == "[":
                for item in text.items():
                    if name == key:
                        yield item
            else:
                text.value()
    if key and key not in names:
        raise CorpusError(
            f"{path} has no array {key!r}; its top-level keys are: {', '.join(names) or 'none'}"
        )


class _Text:
    """A window on the text of a file, moved forward value by value."""

    def __init__(self, handle: TextIO, path: Path):
        self._handle = handle
        self._path = path
        self._window = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._window) and self._window[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._grow():
                return ""

    def expect(self, wanted: str, meaning: str) -> str:
        """Go past one of the characters `wanted`."""
        found = self.peek()
        if not found or found not in wanted:
            shown = f"got {found!r}" if found else "the file ends"
            raise CorpusError(f"{self._path} is no whole JSON: wanted {meaning}, {shown}")
        self._at += 1
        return found

    def members(self) -> Iterator[str]:
        """The names of an open object's members; the caller goes past each value."""
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise CorpusError(f"{self._path} is no whole JSON: {name!r} cannot name a member")
            self.expect(":", "a colon")
            yield name
            if self.expect(",}", "a comma or the end of the object") == "}":
                return

    def items(self) -> Iterator[Any]:
        """The items of an array."""
        self.expect("[", "an array")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if self.expect(",]", "a comma or the end of the array") == "]":
                return

    def value(self) -> Any:
        """Any value, whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._at)
                # a number may go on behind the window, as 10 does in 10.5
                if self._window[end : end + 1] in _ENDS or not self._grow():
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:
                if len(self._window) - self._at > LONGEST_ITEM or not self._grow():
                    raise CorpusError(f"{self._path} is no whole JSON: {error}") from error

    def _grow(self) -> bool:
        """Read on, twice as much as is waiting, so that a long value is not tried too often."""
        waiting = self._window[self._at :]
        piece = self._handle.read(max(PIECE, len(waiting)))
        self._window, self._at = waiting + piece, 0
        return bool(piece)
