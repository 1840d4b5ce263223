"""Small picture files with given metadata, made byte by byte, for the tests of metadata."""

import io
import json
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from PIL import Image

PROMPT = "a red fox, (masterpiece:1.2)"
NEGATIVE = "blurry, low quality"
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x96, Model: sd2"
PARAMETERS = f"{PROMPT}\nNegative prompt: {NEGATIVE}\n{SETTINGS}"
USER_COMMENT, DESCRIPTION, SOFTWARE, XP_COMMENT = 0x9286, 0x010E, 0x0131, 0x9C9C


@cache
def plain(format: str, mode: str = "RGB") -> bytes:
    """A picture of 16 x 16 pixels without metadata."""
    buffer = io.BytesIO()
    Image.new(mode, (16, 16), "teal").save(buffer, format)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes, sum: int | None = None) -> bytes:
    """One chunk of a PNG file; `sum` replaces its checksum."""
    check = zlib.crc32(kind + data) if sum is None else sum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(*chunks: bytes, last: bool = False) -> bytes:
    """A PNG file with these chunks behind its header, or `last` behind its pixels."""
    content = plain("PNG")
    place = content.index(b"IEND") - 4 if last else 33
    return content[:place] + b"".join(chunks) + content[place:]


def text_chunk(name: str, text: str | bytes, kind: bytes = b"tEXt") -> bytes:
    """A tEXt, zTXt or iTXt chunk; zTXt is compressed, a text as UTF-8."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    key = name.encode()
    if kind == b"zTXt":
        return chunk(kind, key + b"\0\0" + zlib.compress(raw))
    return chunk(kind, key + (b"\0\0\0\0\0" if kind == b"iTXt" else b"\0") + raw)


def with_texts(texts: Mapping[str, Any]) -> bytes:
    """A PNG file with a tEXt chunk per name; values that are no text become JSON."""
    return png(
        *(
            text_chunk(name, value if isinstance(value, str) else json.dumps(value))
            for name, value in texts.items()
        )
    )


def exif(tags: Mapping[int, bytes], order: str = ">", inner: Mapping[int, bytes] = {}) -> bytes:
    """An EXIF block: `tags` in the first directory, `inner` in that of EXIF. Without `Exif` before.

    UserComment and XP tags get the types UNDEFINED and BYTE, the others ASCII.
    """
    mark = b"MM\0*" if order == ">" else b"II*\0"
    first = dict(sorted(tags.items()))
    count = len(first) + bool(inner)
    start = 8 + 2 + 12 * count + 4
    entries, values = b"", b""
    for number, value in first.items():
        entries += _entry(order, number, value, start + len(values))
        values += value + b"\0" * (len(value) % 2)
    if inner:
        entries += struct.pack(order + "HHII", 0x8769, 4, 1, start + len(values))
        at = start + len(values) + 2 + 12 * len(inner) + 4
        values += struct.pack(order + "H", len(inner))
        more = b""
        for number, value in sorted(inner.items()):
            values += _entry(order, number, value, at + len(more))
            more += value + b"\0" * (len(value) % 2)
        values += b"\0\0\0\0" + more
    return mark + struct.pack(order + "IH", 8, count) + entries + b"\0\0\0\0" + values


def _entry(order: str, number: int, value: bytes, place: int) -> bytes:
    kind = 7 if number == USER_COMMENT else 1 if 0x9C9B <= number <= 0x9C9F else 2
    at = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", place)
    return struct.pack(order + "HHI", number, kind, len(value)) + at


def comment_block(body: bytes, order: str = ">") -> bytes:
    """An EXIF block with a UserComment."""
    return exif({}, order, {USER_COMMENT: body})


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG file with these (marker, data) segments in front."""
    parts = [struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in segments]
    content = plain("JPEG")
    return content[:2] + b"".join(parts) + content[2:]


def jpeg_comment(body: bytes, order: str = ">") -> bytes:
    """A JPEG file with an EXIF UserComment."""
    return jpeg((0xE1, b"Exif\0\0" + comment_block(body, order)))


def webp(**chunks: bytes) -> bytes:
    """A WebP file with these chunks behind its pixels; `XMP_` stands for `XMP `."""
    content = plain("WEBP")
    for name, data in chunks.items():
        key = name.replace("_", " ").encode()
        content += key + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def gif(text: bytes) -> bytes:
    """A GIF file with a comment behind its color table."""
    content = plain("GIF", "P")
    place = 13 + (3 << (1 + (content[10] & 7)) if content[10] & 0x80 else 0)
    blocks = [text[start : start + 255] for start in range(0, len(text), 255)]
    body = b"".join(bytes([len(block)]) + block for block in blocks)
    return content[:place] + b"!\xfe" + body + b"\0" + content[place:]


def xmp(properties: str, attributes: str = "") -> bytes:
    """An XMP packet with these elements and attributes on its description."""
    return (
        '<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" {attributes}>{properties}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def box(kind: bytes, data: bytes) -> bytes:
    """One box of AVIF, HEIC or JPEG XL."""
    return struct.pack(">I", len(data) + 8) + kind + data


def stealth(text: bytes, mode: str, size: tuple[int, int], name: bytes = b"") -> bytes:
    """A PNG file with a text in the lowest bits of its alpha (RGBA) or of its colors (RGB)."""
    import numpy as np

    name = name or (b"stealth_pnginfo" if mode == "RGBA" else b"stealth_rgbinfo")
    bits = np.unpackbits(np.frombuffer(name + struct.pack(">I", len(text) * 8) + text, np.uint8))
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
    columns = pixels.transpose(1, 0, 2).copy()
    hidden = columns[..., 3:] if mode == "RGBA" else columns
    flat = hidden.reshape(-1) | 1
    flat[: len(bits)] = flat[: len(bits)] & 254 | bits
    hidden[...] = flat.reshape(hidden.shape)
    buffer = io.BytesIO()
    Image.fromarray(columns.transpose(1, 0, 2).copy(), mode).save(buffer, "PNG")
    return buffer.getvalue()


def graph(positive: Any, **nodes: Any) -> dict[str, Any]:
    """A queued ComfyUI graph: a sampler with this positive input, its savers, and more nodes."""

    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    return {
        "3": node("KSampler", seed=5, steps=20, cfg=7.0, sampler_name="euler", scheduler="normal",
                  denoise=1.0, model=["4", 0], positive=positive, negative=["7", 0],
                  latent_image=["5", 0]),
        "4": node("CheckpointLoaderSimple", ckpt_name="sd2.ckpt"),
        "5": node("EmptyLatentImage", width=64, height=96, batch_size=1),
        "6": node("CLIPTextEncode", text=PROMPT, clip=["4", 1]),
        "7": node("CLIPTextEncode", text=NEGATIVE, clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="x"),
        **{
            name: node(value.pop("kind"), **value) if value else None
            for name, value in nodes.items()
        },
    }  # fmt: skip
