"""JPEG bytes -> texts: EXIF, XMP, IPTC and comments, in the segments before the scan."""

from collections.abc import Iterator

from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.iptc import read_photoshop
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_BLOCKS, MAX_EXIF
from unprompt.index.metadata.texts import Texts

EXIF = b"Exif\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
_START_OF_SCAN, _END = 0xDA, 0xD9


def read_jpeg(content: bytes, texts: Texts) -> None:
    """Add the texts of a JPEG file to `texts`."""
    exif, photoshop = bytearray(), bytearray()
    for marker, data in _segments(content):
        if marker == 0xE1 and data.startswith(EXIF):
            # A block of more than 64 KiB goes on in the next segment, with the same start.
            exif += data[6:] if len(exif) < MAX_EXIF else b""
        elif marker == 0xE1 and data.startswith(XMP):
            read_xmp(data[len(XMP) :], texts)
        elif marker == 0xED and data.startswith(PHOTOSHOP):
            photoshop += data[len(PHOTOSHOP) :] if len(photoshop) < MAX_EXIF else b""
        elif marker == 0xFE:
            if texts.take(len(data)):
                texts.add("comment", decode(data))
    if exif:
        read_exif(bytes(exif), texts)
    if photoshop:
        read_photoshop(bytes(photoshop), texts)


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, data) of APP and COM segments up to the scan; a segment that is cut ends them."""
    position = 2
    for _ in range(MAX_BLOCKS):
        if position + 4 > len(content) or content[position] != 0xFF:
            return
        marker = content[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker in (_START_OF_SCAN, _END):
            return
        length = int.from_bytes(content[position + 2 : position + 4])
        if length < 2:
            return
        if marker >= 0xE0:
            yield marker, content[position + 4 : position + 2 + length]
        position += 2 + length
