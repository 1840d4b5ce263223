"""A GIF -> the same GIF without comments and extensions before its first frame."""

from unprompt.index.decode.lean.parts import MOST_PARTS, Lean, too_many_parts

_HEADER = 13  # bytes before the table of colors
_EXTENSION, _FRAME, _CONTROL = 0x21, 0x2C, 0xF9


def lean_gif(content: bytes) -> Lean:
    """What is damaged stays for the decoder. Raises FaultyPictureError for too many blocks."""
    flags = content[10] if len(content) > 10 else 0
    place = _HEADER + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    kept = [content[:place]]
    blocks = 0
    while place + 1 < len(content) and content[place] == _EXTENSION:
        start, is_control = place, content[place + 1] == _CONTROL
        place += 2
        while place < len(content) and content[place]:
            place += 1 + content[place]
            if (blocks := blocks + 1) > MOST_PARTS:
                raise too_many_parts()
        place += 1
        if is_control:
            kept.append(content[start:place])
        if len(kept) > MOST_PARTS or (blocks := blocks + 1) > MOST_PARTS:
            raise too_many_parts()
    return Lean(b"".join((*kept, content[place:])))
