"""AVIF, HEIC and JPEG XL bytes -> texts: the EXIF and XMP items of the boxes."""

from collections.abc import Iterator
from typing import NamedTuple

from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.limits import MAX_BOXES, MAX_EXIF
from unprompt.index.metadata.texts import Texts


class _Box(NamedTuple):
    kind: bytes
    start: int  # of what is inside
    end: int


class _Numbers:
    """Reads big-endian numbers of a box, one after the other; 0 behind its end."""

    def __init__(self, content: bytes, start: int, end: int) -> None:
        self._content, self.position, self._end = content, start, end

    def next(self, size: int) -> int:
        start, self.position = self.position, self.position + size
        return int.from_bytes(self._content[start : min(self.position, self._end)])

    def text(self) -> bytes:
        """The bytes up to the next NUL, which is skipped."""
        end = self._content.find(b"\0", self.position, self._end)
        start, self.position = self.position, (self._end if end < 0 else end + 1)
        return self._content[start : self.position].rstrip(b"\0")

    @property
    def done(self) -> bool:
        return self.position >= self._end


def read_bmff(content: bytes, texts: Texts) -> None:
    """Add the texts of an AVIF, HEIC or JPEG XL file to `texts`.

    Compressed boxes of JPEG XL are skipped.
    """
    for box in _boxes(content, 0, len(content)):
        if box.kind == b"Exif":  # JPEG XL has these at the top
            _add(b"Exif", content[box.start : min(box.end, box.start + MAX_EXIF)], texts)
        elif box.kind == b"xml ":
            _add(b"mime", content[box.start : min(box.end, box.start + MAX_EXIF)], texts)
        elif box.kind == b"meta":
            _read_meta(content, box, texts)


def _boxes(content: bytes, start: int, end: int) -> Iterator[_Box]:
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind, inside = int.from_bytes(content[start : start + 4]), start + 4, start + 8
        if size == 1:
            size, inside = int.from_bytes(content[start + 8 : start + 16]), start + 16
        stop = end if size == 0 else start + size
        if stop < inside:
            return
        yield _Box(content[kind : kind + 4], inside, min(stop, end))
        start = stop


def _read_meta(content: bytes, meta: _Box, texts: Texts) -> None:
    inside = {box.kind: box for box in _boxes(content, meta.start + 4, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    kinds = dict(_item_kinds(content, inside[b"iinf"]))
    data = inside[b"idat"].start if b"idat" in inside else 0
    for item, start, size in _item_places(content, inside[b"iloc"], data):
        if item in kinds and size <= MAX_EXIF and texts.take(size):
            _add(kinds.pop(item), content[start : start + size], texts)


def _item_kinds(content: bytes, iinf: _Box) -> Iterator[tuple[int, bytes]]:
    """(number, kind) of the items with EXIF or XMP."""
    version = content[iinf.start] if iinf.start < len(content) else 0
    for box in _boxes(content, iinf.start + (6 if version == 0 else 8), iinf.end):
        if box.kind != b"infe":
            continue
        numbers = _Numbers(content, box.start, box.end)
        version = numbers.next(1)
        numbers.next(3)
        item = numbers.next(4 if version == 3 else 2)
        numbers.next(2)
        kind = numbers.next(4).to_bytes(4)
        numbers.text()  # its name
        if kind == b"Exif" or (kind == b"mime" and b"rdf+xml" in numbers.text()):
            yield item, kind


def _item_places(content: bytes, iloc: _Box, data: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, size) of every item that lies in one piece."""
    numbers = _Numbers(content, iloc.start, iloc.end)
    version = numbers.next(1)
    numbers.next(3)
    sizes = numbers.next(2)
    of_offset, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(min(numbers.next(4 if version == 2 else 2), MAX_BOXES)):
        if numbers.done:
            return
        item = numbers.next(4 if version == 2 else 2)
        in_data = numbers.next(2) & 15 == 1 if version in (1, 2) else False
        numbers.next(2)
        base, extents = numbers.next(of_base), numbers.next(2)
        index = of_index if version in (1, 2) else 0
        if extents != 1:
            numbers.position += extents * (index + of_offset + of_length)
            continue
        numbers.next(index)
        start, size = base + numbers.next(of_offset), numbers.next(of_length)
        yield item, start + (data if in_data else 0), size


def _add(kind: bytes, block: bytes, texts: Texts) -> None:
    if kind == b"mime":
        read_xmp(block, texts)
    else:  # the offset of the TIFF header stands before it
        read_exif(block[4 + min(int.from_bytes(block[:4]), len(block)) :], texts)
