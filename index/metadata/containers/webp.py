"""WebP bytes -> texts: the EXIF and XMP chunks of the RIFF file."""

from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.limits import MAX_BLOCKS, MAX_EXIF
from unprompt.index.metadata.texts import Texts


def read_webp(content: bytes, texts: Texts) -> None:
    """Add the texts of a WebP file to `texts`."""
    position = 12
    for _ in range(MAX_BLOCKS):
        kind = content[position : position + 4]
        if len(kind) < 4:
            return
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        start = position + 8
        if kind == b"EXIF" and length <= MAX_EXIF:
            read_exif(content[start : start + length], texts)
        elif kind == b"XMP " and length <= MAX_EXIF:
            read_xmp(content[start : start + length], texts)
        position = start + length + length % 2
