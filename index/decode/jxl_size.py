"""The content of a JPEG XL file -> (width, height) by its header, before anything is decoded.

The library for JPEG XL decodes while it opens a file, so the size must be known earlier.
"""

from unprompt.index.decode.faults import FaultyPictureError

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height
_SIDE_BITS = (9, 13, 18, 30)
_CODESTREAM = b"\xff\x0a"
_MOST_BOXES = 1000


class _Bits:
    """Reads little-endian bits, lowest first."""

    def __init__(self, content: bytes):
        self._value = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        """The next `count` bits as a number; zeros after the end."""
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        return found


def jxl_size(content: bytes) -> tuple[int, int]:
    """Width and height; raises FaultyPictureError where there is no header."""
    head = _codestream(content)
    if head[:2] != _CODESTREAM:
        raise FaultyPictureError("there is no JPEG XL codestream")
    bits = _Bits(head[2:16])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return _side(bits, small), height


def _side(bits: _Bits, small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else bits.take(_SIDE_BITS[bits.take(2)]) + 1


def _codestream(content: bytes) -> bytes:
    """The first bytes of the codestream: the whole file, or a box of it."""
    if content.startswith(_CODESTREAM):
        return content[:16]
    place = 0
    for _ in range(_MOST_BOXES):
        size, kind = (
            int.from_bytes(content[place : place + 4], "big"),
            content[place + 4 : place + 8],
        )
        start = place + 8
        if size == 1:
            size, start = int.from_bytes(content[start : start + 8], "big"), start + 8
        if kind in (b"jxlc", b"jxlp"):
            start += 4 * (kind == b"jxlp")
            return content[start : start + 16]
        if size < 8:
            break
        place += size
    return b""
