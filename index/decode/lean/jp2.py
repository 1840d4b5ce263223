"""A JPEG 2000 -> the same file, if its boxes are few: Pillow reads them one by one."""

from unprompt.index.decode.faults import FaultyPictureError
from unprompt.index.decode.lean.parts import Lean

LARGEST_HEADER = 1 << 16  # bytes before the box of headers, and bytes in it
_CODESTREAM, _HEADERS = b"\xff\x4f\xff\x51", b"jp2h"


def lean_jp2(content: bytes) -> Lean:
    """Raises FaultyPictureError where the headers come late or are long."""
    if content.startswith(_CODESTREAM):
        return Lean(content)
    place = content.find(_HEADERS, 0, LARGEST_HEADER)
    size = int.from_bytes(content[max(place - 4, 0) : max(place, 0)], "big")
    if place < 4 or not 8 <= size <= LARGEST_HEADER:
        raise FaultyPictureError(f"its headers are damaged, or longer than {LARGEST_HEADER} bytes")
    return Lean(content)
