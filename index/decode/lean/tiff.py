"""A TIFF -> the same TIFF with its first picture alone, and with the tags that its pixels need.

Every tag may point at the same megabytes of the file, and Pillow reads them for each tag.
"""

import struct

from unprompt.index.decode.faults import FaultyPictureError
from unprompt.index.decode.lean.parts import Lean

_NEEDED = {
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324,
    325, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 50674,
}  # fmt: skip
_TURNED = 274
_PLACES, MOST_STRIPS = {273, 279, 324, 325}, 1 << 18  # Pillow keeps an object for each
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip
_SLACK = 1 << 16  # bytes


def lean_tiff(content: bytes) -> Lean:
    """Raises FaultyPictureError, or struct.error, where the table of tags is damaged."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    head = f"{order}{'HHQ8s' if big else 'HHL4s'}"
    count_format, place_format = (f"{order}Q", f"{order}Q") if big else (f"{order}H", f"{order}L")
    (start,) = struct.unpack_from(place_format, content, 8 if big else 4)
    (count,) = struct.unpack_from(count_format, content, start)
    first = start + struct.calcsize(count_format)
    if not 0 < count <= 65535 or first + count * struct.calcsize(head) > len(content):
        raise FaultyPictureError("its table of tags is cut short")
    kept, total, turned = [], 0, 1
    for place in range(first, first + count * struct.calcsize(head), struct.calcsize(head)):
        tag, kind, number, data = struct.unpack_from(head, content, place)
        if tag in _NEEDED:
            kept.append(struct.pack(head, tag, kind, number, data))
            total += number * _SIZES.get(kind, 1)
            if tag in _PLACES and number > MOST_STRIPS:
                raise FaultyPictureError(f"it has more than {MOST_STRIPS:,} strips or tiles")
        elif tag == _TURNED and kind == 3 and number == 1:
            (turned,) = struct.unpack_from(f"{order}H", data)
    if total > len(content) + _SLACK:
        raise FaultyPictureError("its tags claim more bytes than the file has")
    lean = bytearray(content)
    table = struct.pack(count_format, len(kept)) + b"".join(kept) + struct.pack(place_format, 0)
    lean[start : start + len(table)] = table
    return Lean(bytes(lean), _exif(turned))


def _exif(turned: int) -> bytes:
    """An EXIF block that says how a picture is turned, and nothing else."""
    return struct.pack("<2sHLHHHLHHL", b"II", 42, 8, 1, _TURNED, 3, 1, turned, 0, 0)
