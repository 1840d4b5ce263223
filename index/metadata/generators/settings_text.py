"""A settings text -> prompt, negative prompt and settings by name; no pattern can backtrack.

the prompt, in one or more lines
Negative prompt: one or more lines
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Note: "quoted, as JSON", Version: v1.9
"""

import json
from json.decoder import scanstring  # type: ignore[attr-defined]
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

from unprompt.index.metadata.limits import MAX_SETTINGS

NEGATIVE = "negative prompt:"
_KNOWN = {
    "steps", "sampler", "cfg scale", "seed", "size", "model", "model hash", "version",
    "guidance scale", "schedule type", "clip skip", "guidance", "scheduler",
}  # fmt: skip
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_ENOUGH = 3  # known names that make a line without `Steps:` at its start one of settings
_MOST_PAIRS, _MOST_OBJECTS = 400, 8
_NAME_LENGTH, _VALUE_LENGTH = 60, 4000
_LAST_LINES = 40  # that may be settings without a `Steps:` at their start


class Settings(NamedTuple):
    """The parts of a settings text."""

    prompt: str
    negative: str
    values: dict[str, Any]  # by names in lower case; a text, or a parsed JSON value

    @property
    def found(self) -> bool:
        """Whether the text says more than a prompt."""
        return bool(self.values or self.negative)


def split_settings(text: str) -> Settings:
    """Take a settings text apart. A text without settings is all prompt; one too long is none."""
    if len(text) > MAX_SETTINGS:
        return Settings("", "", {})
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head, tail = _split_lines(text)
    values = parse_pairs(tail)
    prompt, negative = _split_negative(head)
    return Settings(prompt.strip(), negative.strip(), values)


def parse_pairs(text: str) -> dict[str, Any]:
    """`name: value, name: value ...` as a dict; the first of a name wins. Linear in the text."""
    found: dict[str, Any] = {}
    position, objects = 0, _MOST_OBJECTS
    for _ in range(_MOST_PAIRS):
        colon = text.find(":", position, position + _NAME_LENGTH + _VALUE_LENGTH)
        if colon < 0:
            break
        # What stands before the name belongs to the value before, which had a comma in it.
        name = text[position:colon].replace("\n", ",").rpartition(",")[2].strip().lower()
        start = colon + 1
        while start < len(text) and text[start] == " ":
            start += 1
        objects -= text[start : start + 1] in ("[", "{")
        value, position = _value(text, start, objects >= 0)
        if name and len(name) <= _NAME_LENGTH:
            found.setdefault(name, value)
    return found


def _value(text: str, start: int, parse: bool) -> tuple[Any, int]:
    """The value that starts there, and where the next name may start."""
    first = text[start : start + 1]
    try:
        if first == '"':
            return scanstring(text, start + 1, False)
        if first in ("[", "{") and parse and text[start : start + 2] in ('["', "[{", '{"', "[]"):
            return json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    limit = min(start + _VALUE_LENGTH, len(text))
    ends = [
        end for end in (text.find(",", start, limit), text.find("\n", start, limit)) if end >= 0
    ]
    end = min(ends, default=limit)
    return text[start:end].strip(), end


def _split_lines(text: str) -> tuple[str, str]:
    """The prompts, and the settings from their line to the end."""
    lines = text.split("\n")
    for place in range(len(lines) - 1, -1, -1):
        line = lines[place].lstrip()
        if line.startswith("Steps: ") and line[7:8].isdigit():
            return "\n".join(lines[:place]), "\n".join(lines[place:])
    for place in range(len(lines) - 1, max(-1, len(lines) - 1 - _LAST_LINES), -1):
        first = lines[place].partition(":")[0].strip().lower()
        if first in _KNOWN and _known(lines[place]) >= _ENOUGH:
            return "\n".join(lines[:place]), "\n".join(lines[place:])
    return _split_inline(text)


def _split_inline(text: str) -> tuple[str, str]:
    """Settings behind a prompt on one line, as sites write them that drop line breaks."""
    place = text.rfind("Steps: ")
    if place > 0 and text[place + 7 : place + 8].isdigit() and _known(text[place:]) >= _ENOUGH:
        return text[:place], text[place:]
    return text, ""


def _known(line: str) -> int:
    return len(_KNOWN & set(parse_pairs(line[:_VALUE_LENGTH])))


def _split_negative(head: str) -> tuple[str, str]:
    lowered = head.translate(_LOWER)  # of the same length, as lower() is not
    if lowered.startswith(NEGATIVE):
        return "", head[len(NEGATIVE) :]
    place = lowered.find("\n" + NEGATIVE)
    if place < 0 and (place := lowered.find(" " + NEGATIVE)) < 0:
        return head, ""
    return head[:place], head[place + 1 + len(NEGATIVE) :]
