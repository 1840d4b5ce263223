"""Bytes of a text field -> str: UTF-8, UTF-16 of either byte order, or Latin-1."""

import unicodedata
from typing import Literal

SAMPLE = 1024  # bytes that decide which encoding a text has
ByteOrder = Literal["little", "big"]
_CODECS: dict[ByteOrder, str] = {"little": "utf-16-le", "big": "utf-16-be"}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_PREFIXES = (b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"UTF-8\0\0\0", b"UTF8\0\0\0\0")


def decode(raw: bytes) -> str:
    """Decode a text without a declared encoding. Any bytes give a text."""
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(codec, "replace")
    sample = raw[:SAMPLE].rstrip(b"\0")
    if len(raw) > 3 and sample.count(0) * 4 >= len(sample):
        return decode_utf16(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return decode_utf16(raw) if b"\0" in sample else raw.decode("latin-1")


def decode_utf16(raw: bytes, order: ByteOrder = "big") -> str:
    """Decode UTF-16 of the more likely byte order; `order` breaks a tie."""
    for mark, codec in _MARKS[1:]:
        if raw.startswith(mark):
            return raw[2:].decode(codec, "replace")
    likely = max(_CODECS, key=lambda one: (*_plausible(raw[:SAMPLE], one), one == order))
    return raw[: len(raw) & ~1].decode(_CODECS[likely], "replace")


def decode_user_comment(raw: bytes, order: ByteOrder) -> str:
    """Decode an EXIF UserComment with any of its prefixes, or none; `order` is that of the block.

    Writers disagree about the byte order of UNICODE, and some put UTF-8 there.
    """
    head = raw[:8].upper()
    if head == b"UNICODE\0":
        body = raw[8:]
        return decode(body) if _is_utf8(body) else decode_utf16(body, order)
    if head in _PREFIXES or head == b"\0" * 8:
        return decode(raw[8:])
    return decode(raw)


def decode_xp(raw: bytes) -> str:
    """Decode an XP tag of Windows: UTF-16, little-endian."""
    return raw[: len(raw) & ~1].decode("utf-16-le", "replace")


def mend(text: str) -> str:
    """Undo one reading of UTF-8 as Latin-1, drop NUL, and replace halves of surrogate pairs."""
    if not text.isascii():
        try:
            text = text.encode("latin-1").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            pass
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "")


def _is_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8 rather than UTF-16: valid, with ASCII and without NUL inside."""
    text = raw.rstrip(b"\0")[:SAMPLE]
    if b"\0" in text or not text:
        return False
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(text) - 4:  # not just a character that the sample cuts
            return False
    printable = sum(byte > 126 or byte < 32 for byte in text)
    return printable * 2 < len(text) or len(text) % 2 == 1


def _plausible(sample: bytes, order: ByteOrder) -> tuple[int, int]:
    text = sample[: len(sample) & ~1].decode(_CODECS[order], "replace")
    ascii_characters = sum(character.isascii() and character != "\0" for character in text)
    odd = sum(unicodedata.category(one) in ("Cn", "Co", "Cs") or one == "\ufffd" for one in text)
    return ascii_characters - 2 * odd, -_blocks(text)


def _blocks(text: str) -> int:
    """The number of different pages of 256 characters: few for text, many for swapped bytes."""
    return len({ord(character) >> 8 for character in text})
