"""An EXIF block or an XMP text -> how the picture is turned, from 1 (upright) to 8."""

import re
import struct

_TAG, _SHORT, _LONG, _ENTRY = 0x0112, 3, 4, 12
_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])")


def read_orientation(exif: bytes, xmp: bytes) -> int:
    """The EXIF block is asked first; 1 where neither says it, or both are damaged."""
    try:
        found = _from_exif(exif.removeprefix(b"Exif\0\0"))
    except (struct.error, ValueError):
        found = None
    if found is None and (said := _XMP.search(xmp)):
        found = int(said[1])
    return found if found is not None and 1 <= found <= 8 else 1


def _from_exif(exif: bytes) -> int | None:
    """The tag of the first table of tags; None where it has none."""
    if exif[:2] not in (b"II", b"MM"):
        return None
    order = "<" if exif[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}L", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for place in range(start + 2, start + 2 + count * _ENTRY, _ENTRY):
        tag, kind, _ = struct.unpack_from(f"{order}HHL", exif, place)
        if tag == _TAG and kind in (_SHORT, _LONG):
            form = f"{order}H" if kind == _SHORT else f"{order}L"
            return int(struct.unpack_from(form, exif, place + 8)[0])
    return None
