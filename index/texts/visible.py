"""A text of strangers -> the same text without characters that steer a terminal or hide a part.

A prompt or a file name may hold escapes that clear the screen, or marks that turn the reading
direction. They come out as backslash, u and four hex digits, which JSON reads as the character.
"""

import re
from collections.abc import Iterable
from typing import Any, TextIO

# Controls but tab and line break, DEL and C1; marks of direction; invisible ones; lone surrogates.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_NOT_SHOWN = re.compile(f"[{_HIDDEN}]")
_NOT_IN_A_LINE = re.compile(f"[\t\n{_HIDDEN}]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with its hidden characters written out; tabs and line breaks stay."""
    return _NOT_SHOWN.sub(_written_out, text)


def one_line(text: object) -> str:
    """A value as visible text in one line, for messages."""
    return _NOT_IN_A_LINE.sub(_written_out, str(text))


def whole_text(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which no file format takes."""
    return _SURROGATE.sub("\ufffd", text)


def whole_values(value: Any) -> Any:
    """A JSON value with `whole_text` in place of every text."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list | tuple):
        return [whole_values(part) for part in value]
    if isinstance(value, dict):
        return {whole_text(str(name)): whole_values(part) for name, part in value.items()}
    return value


def _written_out(found: re.Match[str]) -> str:
    if found[0] in "\t\n":
        return "\\t" if found[0] == "\t" else "\\n"
    code = ord(found[0])
    if code > 0xFFFF:  # as JSON writes it: two surrogates
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


class VisibleStream:
    """A text stream that writes the hidden characters of every text out.

    rich writes its own colors past it. On stderr a carriage return stays, for bars of libraries.
    """

    def __init__(self, stream: TextIO, returns: bool = False):
        self.rich_proxied_file = stream  # the name by which rich asks
        self._stream = stream
        self._returns = returns

    def write(self, text: str) -> int:
        """Write the text visibly; returns its length."""
        parts = text.split("\r") if self._returns else [text]
        self._stream.write("\r".join(map(visible, parts)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
