"""The pixels of a PNG file -> the text in their lowest bits: of alpha, or of red, green and blue.

Bits run down the columns: the name of the layout (15 bytes), the number of bits (32), the text.
Only the rows that hold the name are unpacked to look for it.
"""

import zlib
from typing import TYPE_CHECKING, NamedTuple

from unprompt.index.metadata.containers.png import SIGNATURE, inflate, png_chunks
from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_STEALTH_PIXELS, MAX_TEXT

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_ALPHA = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}  # whether the text is compressed
_COLORS = {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
_NAME, _HEADER = 15 * 8, 15 * 8 + 32  # bits
_GZIP = 31  # the window of zlib for gzip data
_PIECE = 2**14
_BYTES_A_PIXEL = 8  # of the picture, and of the columns that hold the text


def read_stealth(content: bytes) -> str:
    """The hidden text of a PNG file; empty where there is none."""
    if not content.startswith(SIGNATURE) or not _may_hide(content):
        return ""
    from unprompt.index.decode.budget import DECODED
    from unprompt.index.decode.open_file import open_file

    try:
        with open_file(content, MAX_STEALTH_PIXELS) as (image, _):
            with DECODED.hold(_BYTES_A_PIXEL * image.width * image.height):
                return read_stealth_pixels(image)
    except (OSError, ValueError, SyntaxError):  # as Pillow raises for damaged pixels
        return ""


def read_stealth_pixels(image: "Image.Image") -> str:
    """The hidden text in the pixels of an RGB or RGBA image; empty where there is none."""
    if image.mode not in ("RGB", "RGBA") or image.width * image.height > MAX_STEALTH_PIXELS:
        return ""
    ways = [(_COLORS, 3)] if image.mode == "RGB" else [(_ALPHA, 1), (_COLORS, 3)]
    for names, per_pixel in ways:
        header = _bytes(_bits(image, per_pixel, _HEADER))
        packed = names.get(header[:15])
        length = int.from_bytes(header[15:19]) // 8 * 8
        room = image.width * image.height * per_pixel - _HEADER
        if packed is not None and 0 < length <= min(room, MAX_TEXT * 8):
            body = _bytes(_bits(image, per_pixel, _HEADER + length)[_HEADER:])
            return decode(inflate(body, MAX_TEXT, _GZIP) if packed else body)
    return ""


def _bits(image: "Image.Image", per_pixel: int, count: int) -> "np.ndarray":
    """The first `count` bits (count,) uint8, read from as few columns as hold them."""
    import numpy as np

    pixels = -(-count // per_pixel)
    columns = min(-(-pixels // image.height), image.width)
    part = np.asarray(image.crop((0, 0, columns, image.height)))
    channels = part[..., 3:] if per_pixel == 1 else part[..., :3]
    return (channels.transpose(1, 0, 2).reshape(-1)[:count] & 1).astype(np.uint8)


def _bytes(bits: "np.ndarray") -> bytes:
    import numpy as np

    return np.packbits(bits).tobytes()


def _may_hide(content: bytes) -> bool:
    """Whether the first columns start with the name of a layout; unpacks only the rows of it."""
    header = content[16:29]
    if len(header) < 13:
        return False
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    depth, colors, interlaced = header[8], header[9], header[12]
    if depth != 8 or colors not in (2, 6) or interlaced or width * height > MAX_STEALTH_PIXELS:
        return False
    size = 3 if colors == 2 else 4
    pixels = _NAME if colors == 6 else _NAME // 3
    if width * height < pixels:
        return False
    shape = _Part(width * size + 1, min(pixels, height), -(-pixels // height), size)
    rows = _first_rows(content, shape)
    if len(rows) < shape.rows:
        return False
    column = [
        row[place : place + size] for place in range(0, shape.columns * size, size) for row in rows
    ]
    names = [_named(b"".join(pixel[:3] for pixel in column[: _NAME // 3]))]
    if colors == 6:
        names.append(_named(b"".join(pixel[3:] for pixel in column[:_NAME])))
    return any(name in _ALPHA or name in _COLORS for name in names)


def _named(values: bytes) -> bytes:
    """The name in the lowest bits of 120 values."""
    return int("".join(str(value & 1) for value in values), 2).to_bytes(15)


class _Part(NamedTuple):
    """The upper left part of a picture that holds the name."""

    row: int  # bytes of a whole row with its filter
    rows: int
    columns: int
    size: int  # bytes of a pixel


def _first_rows(content: bytes, part: _Part) -> list[bytes]:
    """The first pixels of the first rows; fewer where the file is damaged before them."""
    stream, buffered, width = zlib.decompressobj(), b"", part.columns * part.size
    found, skip = [bytes(width)], 0  # `skip` bytes up to the next row
    try:
        for kind, start, end in png_chunks(content):
            for piece in range(start, end if kind == b"IDAT" else start, _PIECE):
                buffered += stream.decompress(content[piece : min(piece + _PIECE, end)])
                while len(buffered) >= skip + 1 + width:
                    filtered = buffered[skip : skip + 1 + width]
                    found.append(_unfilter(filtered, found[-1], part.size))
                    if len(found) > part.rows:
                        return found[1:]
                    skip += part.row
                passed = min(skip, len(buffered))
                buffered, skip = buffered[passed:], skip - passed
    except zlib.error:
        pass
    return found[1:]


def _unfilter(filtered: bytes, above: bytes, size: int) -> bytes:
    """The start of a row from its filtered bytes and from the start of the row above."""
    kind, row = filtered[0], bytearray(filtered[1:])
    for place in range(len(row) if 0 < kind < 5 else 0):
        left, corner = (row[place - size], above[place - size]) if place >= size else (0, 0)
        up = above[place]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        else:
            target = left + up - corner
            guess = min((left, up, corner), key=lambda value: abs(target - value))
        row[place] = row[place] + guess & 255
    return bytes(row)
