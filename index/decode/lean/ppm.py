"""A PPM, PGM or PBM -> the same file, if its header and comments are short.

Pillow reads a header byte by byte, and cuts every comment of a picture in text out by itself.
"""

import re

from unprompt.index.decode.faults import FaultyPictureError
from unprompt.index.decode.lean.parts import Lean

LONGEST_HEADER, MOST_COMMENTS = 1 << 14, 1000  # bytes
_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])+"
_HEADER = re.compile(rb"P[0-6fy]" + _SPACE + rb"[0-9]+" + _SPACE + rb"[0-9]+" + _SPACE)
_IN_TEXT = (b"P1", b"P2", b"P3")


def lean_ppm(content: bytes) -> Lean:
    """Raises FaultyPictureError for a long header, or for very many comments."""
    if not _HEADER.match(content[:LONGEST_HEADER]):
        raise FaultyPictureError(f"its header is damaged, or longer than {LONGEST_HEADER} bytes")
    if content.startswith(_IN_TEXT) and content.count(b"#") > MOST_COMMENTS:
        raise FaultyPictureError(f"it has more than {MOST_COMMENTS} comments")
    return Lean(content)
