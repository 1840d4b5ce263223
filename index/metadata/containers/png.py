"""PNG bytes -> texts: tEXt, zTXt, iTXt and eXIf, wherever they stand. Checksums are not checked."""

import binascii
import zlib
from collections.abc import Iterator

from unprompt.index.metadata.containers.exif import read_exif
from unprompt.index.metadata.containers.iptc import read_photoshop
from unprompt.index.metadata.containers.xmp import read_xmp
from unprompt.index.metadata.decoding import decode
from unprompt.index.metadata.limits import MAX_BLOCKS, MAX_TEXT
from unprompt.index.metadata.texts import Texts

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
_PIECE = 2**16


def read_png(content: bytes, texts: Texts) -> None:
    """Add the texts of a PNG file to `texts`; a text that is cut or damaged is skipped."""
    for kind, start, end in png_chunks(content):
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") or end - start > MAX_TEXT:
            continue
        if not texts.take(end - start):
            return
        data = content[start:end]
        if kind == b"eXIf":
            read_exif(data, texts)
            continue
        keyword, raw = _text(kind, data, MAX_TEXT)
        # What was unpacked in vain, as it is too long, counts too.
        if texts.take(len(raw) or (0 if kind == b"tEXt" else MAX_TEXT)) and raw:
            add_png_text(keyword, raw, texts)


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the data of the chunks, up to IEND or the end of the bytes."""
    position = len(SIGNATURE)
    for _ in range(MAX_BLOCKS):
        kind = content[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        start = position + 8
        end = start + int.from_bytes(content[position : position + 4])
        yield kind, start, min(end, len(content))
        position = end + 4


def add_png_text(keyword: str, raw: bytes | str, texts: Texts) -> None:
    """Add one text by its keyword, XMP and the hexadecimal profiles of ImageMagick too."""
    if keyword == XMP:
        read_xmp(raw.encode("utf-8", "replace") if isinstance(raw, str) else raw, texts)
        return
    text = raw if isinstance(raw, str) else decode(raw)
    profile = keyword.removeprefix("Raw profile type ").lower()
    if profile == keyword.lower():
        texts.add(keyword, text)
    elif profile in ("exif", "app1"):
        read_exif(_profile(text), texts)
    elif profile == "xmp":
        read_xmp(_profile(text), texts)
    elif profile in ("iptc", "8bim"):
        read_photoshop(_profile(text), texts)


def inflate(data: bytes, most: int, window: int = zlib.MAX_WBITS) -> bytes:
    """Decompress zlib data as far as it is whole; empty where it is more than `most` bytes."""
    stream, pieces, size = zlib.decompressobj(window), [], 0
    try:
        for start in range(0, len(data), _PIECE):
            pieces.append(stream.decompress(data[start : start + _PIECE], most + 1 - size))
            size += len(pieces[-1])
            if size > most:
                return b""
            if stream.eof:
                break
    except zlib.error:
        pass
    return b"".join(pieces)


def _text(kind: bytes, data: bytes, most: int) -> tuple[str, bytes]:
    """The keyword and the text of one chunk, decompressed."""
    name, _, rest = data.partition(b"\0")
    keyword = name[:100].decode("latin-1")
    if kind == b"tEXt":
        return keyword, rest[:most] if len(rest) <= most else b""
    if kind == b"zTXt":
        return keyword, inflate(rest[1:], most)
    packed = rest[:1] == b"\1"
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind the language and its keyword
    if packed:
        text = inflate(text, most)
    return keyword, text if len(text) <= most else b""


def _profile(text: str) -> bytes:
    """The bytes of a profile: a line with its name, a line with its length, hexadecimal lines."""
    lines = text.strip().split("\n", 2)
    digits = "".join(lines[-1].split()) if len(lines) == 3 else ""
    try:
        return binascii.unhexlify(digits[: len(digits) & ~1])
    except (binascii.Error, ValueError):
        return b""
