"""An AVIF -> the same AVIF whose EXIF block the decoder does not find.

How an AVIF is turned stands in properties of the picture, which the decoder follows or reports.
"""

from unprompt.index.decode.lean.parts import Lean

_MOST_BOXES = 64


def lean_avif(content: bytes) -> Lean:
    """The item type `Exif` in the box `meta` gets another name; sizes and places stay."""
    place = 0
    for _ in range(_MOST_BOXES):
        size, kind = (
            int.from_bytes(content[place : place + 4], "big"),
            content[place + 4 : place + 8],
        )
        if kind == b"meta":
            end = place + size if size > 1 else len(content)
            meta = content[place:end].replace(b"Exif", b"Exi_")
            return Lean(content[:place] + meta + content[end:])
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16], "big")
        if size < 8 or place + size > len(content):
            break
        place += size
    return Lean(content)
