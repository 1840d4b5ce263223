"""A PNG -> the same PNG without texts, profiles and further frames."""

from unprompt.index.decode.lean.parts import LARGEST_NOTE, MOST_PARTS, Lean, too_many_parts

_START = len(b"\x89PNG\r\n\x1a\n")
_DROPPED = {b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"caBX"}
_XMP, _RAW_EXIF = b"XML:com.adobe.xmp\0", b"Raw profile type exif\0"


def lean_png(content: bytes) -> Lean:
    """From the first chunk that is cut short on, the bytes stay as they are.

    Raises FaultyPictureError for too many chunks.
    """
    kept: list[bytes] = []
    notes: dict[str, bytes] = {}
    start, place = 0, _START
    for _ in range(MOST_PARTS):
        size = int.from_bytes(content[place : place + 4], "big")
        kind, end = content[place + 4 : place + 8], place + 12 + size
        if len(kind) < 4 or end > len(content) or kind == b"IEND":
            break
        if kind in _DROPPED:
            kept.append(content[start:place])
            start = end
            if size <= LARGEST_NOTE:
                _take_note(notes, kind, content[place + 8 : end - 4])
        place = end
    else:
        raise too_many_parts()
    lean = b"".join((*kept, content[start:])) if kept else content
    return Lean(lean, notes.get("exif", b""), notes.get("xmp", b""))


def _take_note(notes: dict[str, bytes], kind: bytes, data: bytes) -> None:
    if kind == b"eXIf":
        notes["exif"] = data
    elif data.startswith(_XMP):
        notes["xmp"] = data
    elif kind == b"tEXt" and data.startswith(_RAW_EXIF) and "exif" not in notes:
        notes["exif"] = _from_hex(data.removeprefix(_RAW_EXIF))


def _from_hex(data: bytes) -> bytes:
    """ImageMagick writes "\\nexif\\n      78\\n4578...": a name, a length, and the bytes in hex."""
    lines = data.split(b"\n", 3)
    try:
        return bytes.fromhex(b"".join(lines[3].split()).decode("ascii"))
    except (IndexError, ValueError):
        return b""
