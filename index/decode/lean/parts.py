"""The content of a picture file -> what its pixels need of it, and what says how it is turned.

Pillow reads texts, color profiles and EXIF blocks while it opens a file. It refuses the whole
picture for one that is damaged, and a small file can make it read gigabytes. So they do not reach
it; `index/metadata` reads the texts for itself.
"""

from typing import NamedTuple

from unprompt.index.decode.faults import FaultyPictureError

LARGEST_NOTE = 1 << 16  # bytes of an EXIF block or XMP text that is looked at
MOST_PARTS = 1 << 20  # chunks, segments or blocks of a file


class Lean(NamedTuple):
    """A picture file without its texts; `exif` and `xmp` may say how it is turned.

    `passes` is how often its decoder goes over all pixels.
    """

    content: bytes
    exif: bytes = b""
    xmp: bytes = b""
    passes: int = 1


def too_many_parts() -> FaultyPictureError:
    """The error for a file that is cut into so many parts that reading it would take minutes."""
    return FaultyPictureError(f"it has more than {MOST_PARTS:,} parts")
