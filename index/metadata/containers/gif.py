"""GIF bytes -> texts: comments, and the XMP extension."""

from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_BLOCKS, MAX_TEXT
from unprompt.index.metadata.texts import Texts

_EXTENSION, _IMAGE, _COMMENT, _APPLICATION = 0x21, 0x2C, 0xFE, 0xFF
_XMP = b"XMP DataXMP"
_XMP_TRAILER = 258  # bytes that let a reader of blocks find the end


def read_gif(content: bytes, texts: Texts) -> None:
    """Add the texts of a GIF file to `texts`."""
    position = 13 + _table(content, 10)
    blocks = MAX_BLOCKS
    while position + 1 < len(content) and blocks > 0:
        kind, label = content[position], content[position + 1]
        if kind == _EXTENSION:
            start = position + 2
        elif kind == _IMAGE:  # behind its descriptor, its color table and the width of its codes
            start = position + 11 + _table(content, position + 9)
        else:
            return
        position, blocks = _skip(content, start, blocks)
        if kind == _EXTENSION and label == _COMMENT:
            if texts.take(position - start):
                texts.add("comment", decode(_joined(content, start, position)))
        elif kind == _EXTENSION and label == _APPLICATION:
            if content[start + 1 : start + 12] == _XMP and position - start < MAX_TEXT:
                read_xmp(content[start + 12 : max(position - _XMP_TRAILER, start + 12)], texts)


def _table(content: bytes, flags: int) -> int:
    """The bytes of a color table, by the flags at that position."""
    packed = content[flags] if flags < len(content) else 0
    return 3 << (1 + (packed & 7)) if packed & 0x80 else 0


def _skip(content: bytes, position: int, blocks: int) -> tuple[int, int]:
    """The position behind a chain of blocks, and how many more blocks may be walked over."""
    while position < len(content) and blocks > 0:
        blocks -= 1
        length = content[position]
        position += 1 + length
        if length == 0:
            break
    return position, blocks


def _joined(content: bytes, position: int, end: int) -> bytes:
    parts: list[bytes] = []
    while position < min(end, len(content)) and content[position] and len(parts) * 255 < MAX_TEXT:
        parts.append(content[position + 1 : position + 1 + content[position]])
        position += 1 + content[position]
    return b"".join(parts)
