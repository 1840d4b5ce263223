"""A JPEG -> the same JPEG without the segments of applications and comments."""

import re

from unprompt.index.decode.faults import FaultyPictureError
from unprompt.index.decode.lean.parts import LARGEST_NOTE, Lean, too_many_parts

MOST_SCANS = 200  # encoders write about ten, and each costs a pass over the whole picture
MOST_SEGMENTS = 20_000  # an ICC profile or a depth map of 256 MiB has 4,000
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_SCAN, _END, _ADOBE = 0xDA, 0xD9, 0xEE
_DROPPED = {*range(0xE1, 0xF0), 0xFE} - {_ADOBE}  # the applications' but JFIF's, and comments
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_NEXT = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)  # the marker after a scan's data


def lean_jpeg(content: bytes) -> Lean:
    """Raises FaultyPictureError for too many segments or scans; damage stays for the decoder."""
    kept, exif, xmp = [], b"", b""
    start = place = scans = 0
    for _ in range(MOST_SEGMENTS):
        found = _NEXT.search(content, place)
        if found is None or found[1][0] == _END:
            break
        marker, at = found[1][0], found.end()
        if marker in _ALONE:
            place = at
            continue
        end = at + max(int.from_bytes(content[at : at + 2], "big"), 2)
        if marker in _DROPPED:
            kept.append(content[start : found.start()])
            start = end
            data = content[at + 2 : min(end, at + 2 + LARGEST_NOTE)]
            exif = exif or (data if data.startswith(_EXIF) else b"")
            xmp = xmp or (data if data.startswith(_XMP) else b"")
        scans += marker == _SCAN
        if scans > MOST_SCANS:
            raise FaultyPictureError(f"it has more than {MOST_SCANS} scans")
        place = end
    else:
        raise too_many_parts()
    lean = b"".join((*kept, content[start:])) if kept else content
    return Lean(lean, exif, xmp, max(scans, 1))
