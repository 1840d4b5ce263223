"""The texts of one picture file by their names, and the JSON objects among them. Bounded."""

import json
import math
from collections.abc import Iterator
from typing import Any

from unprompt.index.metadata.limits import (
    MAX_ENTRIES,
    MAX_JSON_VALUES,
    MAX_READ,
    MAX_TEXT,
    MAX_TEXTS,
)

# Where a writer may put anything: a settings text, a JSON object or a bare prompt.
FREE = (
    "parameters", "usercomment", "comment", "xpcomment", "imagedescription", "description",
    "xmp:usercomment", "xmp:parameters", "xmp:description", "iptc:caption", "generation_data",
)  # fmt: skip


class Texts:
    """Names and texts of one file, first come first: PNG keywords, EXIF tags, XMP properties.

    Names are in lower case. Names from XMP start with `xmp:`, from IPTC with `iptc:`. One thread
    uses an object.
    """

    def __init__(self) -> None:
        self.camera = False  # whether a camera took the picture, by its EXIF tags
        self._entries: dict[str, list[str]] = {}
        self._objects: dict[str, dict[str, Any] | None] = {}  # by text
        self._left = MAX_TEXTS
        self._unread = MAX_READ
        self._count = 0

    def add(self, name: str, text: str) -> None:
        """Keep a text, unless it is empty or more than the limits allow."""
        text = text.strip("\0 \t\r\n\ufeff")
        if not text or len(text) > min(MAX_TEXT, self._left) or self._count >= MAX_ENTRIES:
            return
        self._left -= len(text)
        self._count += 1
        self._entries.setdefault(name[:100].strip().lower(), []).append(text)

    def take(self, size: int) -> bool:
        """Whether so many more bytes of the file may be read for texts; they then count as read.

        A short text counts as a longer one, so that many short ones have an end too.
        """
        self._unread -= max(size, MAX_READ // MAX_ENTRIES)
        return self._unread >= 0

    def get(self, name: str) -> str:
        """The first text of that name; empty where there is none."""
        return self._entries.get(name, [""])[0]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def named(self, *names: str) -> Iterator[str]:
        """All texts of these names, in the order of the names."""
        for name in names:
            yield from self._entries.get(name, ())

    def free(self) -> Iterator[str]:
        """The texts of the names under which writers put anything."""
        return self.named(*FREE)

    def objects(self, *names: str) -> Iterator[dict[str, Any]]:
        """The JSON objects among the texts of these names; without names, among the free ones."""
        for text in self.named(*names) if names else self.free():
            if text not in self._objects:
                self._objects[text] = as_object(text)
            found = self._objects[text]
            if found is not None:
                yield found


def as_object(value: Any) -> dict[str, Any] | None:
    """A JSON object, or the text of one, twice encoded as well; None for anything else."""
    for _ in range(2):
        if not isinstance(value, str):
            break
        value = parse_json(value)
    return value if isinstance(value, dict) else None


def looks_like_json(text: str) -> bool:
    """Whether a text starts as a JSON object, whole or cut; a prompt may start with a brace too."""
    return text[:1] == "{" and text[1:200].lstrip()[:1] in ('"', "}")


def parse_json(text: str) -> Any:
    """A JSON object or a text of one; None for other or broken JSON, or for too many values.

    NaN and infinities become None, and whole numbers of more than 20 digits too. Anything behind
    the object is ignored.
    """
    start = len(text) - len(text.lstrip("\ufeff\0 \t\r\n"))
    if text[start : start + 1] not in ("{", '"'):
        return None
    if sum(map(text.count, ",[{")) > MAX_JSON_VALUES:
        return None
    decoder = json.JSONDecoder(
        strict=False,  # line breaks inside texts
        parse_int=_whole,
        parse_float=_decimal,
        parse_constant=lambda name: None,
    )
    try:
        return decoder.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 else None


def _decimal(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None
