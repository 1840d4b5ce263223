"""Texts in every kind of picture file: found wherever they stand, however they are encoded."""

import gzip
import io
import struct
from pathlib import Path

import pytest
from metadata_files import (
    DESCRIPTION,
    NEGATIVE,
    PARAMETERS,
    PROMPT,
    SOFTWARE,
    XP_COMMENT,
    box,
    chunk,
    comment_block,
    exif,
    gif,
    jpeg,
    jpeg_comment,
    plain,
    png,
    stealth,
    text_chunk,
    webp,
    xmp,
)
from PIL import Image

from unprompt.index.metadata.picture_metadata import read_metadata

FOX = "一只红色的狐狸 🦊, café"
UTF16 = {">": "utf-16-be", "<": "utf-16-le"}


def prompt_of(content: bytes) -> str | None:
    found = read_metadata(content)
    return found and found.prompt


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("last", [False, True], ids=["before the pixels", "behind them"])
def test_png_texts(kind: bytes, last: bool) -> None:
    text = PARAMETERS.replace(PROMPT, FOX)
    assert prompt_of(png(text_chunk("parameters", text, kind), last=last)) == FOX


def test_png_text_in_latin_1_with_a_wrong_checksum_and_in_a_file_that_is_cut() -> None:
    latin = b"parameters\0" + PARAMETERS.replace(PROMPT, "caf\xe9").encode("latin-1")
    assert prompt_of(png(chunk(b"tEXt", latin, sum=7))) == "caf\xe9"
    content = png(text_chunk("parameters", PARAMETERS))
    assert prompt_of(content[: content.index(b"IDAT") + 10]) == PROMPT


def test_utf_8_that_was_read_as_latin_1_is_mended() -> None:
    twice = PARAMETERS.replace(PROMPT, FOX).encode().decode("latin-1")
    assert prompt_of(png(text_chunk("parameters", twice, b"iTXt"))) == FOX


def test_exif_in_png_as_chunk_and_as_profile() -> None:
    block = comment_block(b"UNICODE\0" + PARAMETERS.encode("utf-16-be"))
    assert prompt_of(png(chunk(b"eXIf", block))) == PROMPT
    profile = f"\nexif\n{len(block):8}\n{(b'Exif' + bytes(2) + block).hex()}\n"
    assert prompt_of(png(text_chunk("Raw profile type exif", profile, b"zTXt"))) == PROMPT


@pytest.mark.parametrize("text", [PARAMETERS, FOX, "雪山の上の狐"], ids=["ascii", "mixed", "wide"])
@pytest.mark.parametrize("block", [">", "<"])
@pytest.mark.parametrize("order", [">", "<"])
def test_user_comment_in_utf_16_of_any_order(text: str, block: str, order: str) -> None:
    body = text.encode(UTF16[order])
    prompt = PROMPT if text == PARAMETERS else text
    mark = "\ufeff".encode(UTF16[order])
    assert prompt_of(jpeg_comment(b"UNICODE\0" + body, block)) == prompt
    assert prompt_of(jpeg_comment(b"UNICODE\0" + mark + body, block)) == prompt
    assert prompt_of(jpeg_comment(mark + body, block)) == prompt
    if not text.startswith("雪"):  # a bare text needs one ASCII character as a sign of its order
        assert prompt_of(jpeg_comment(body, block)) == prompt


@pytest.mark.parametrize(
    "prefix", [b"", b"ASCII\0\0\0", b"\0" * 8, b"UNICODE\0", b"Unicode\0", b"JIS\0\0\0\0\0"]
)
@pytest.mark.parametrize("order", [">", "<"])
def test_user_comment_in_utf_8_behind_any_prefix(prefix: bytes, order: str) -> None:
    text = PARAMETERS.replace(PROMPT, FOX).encode()
    assert prompt_of(jpeg_comment(prefix + text + b"\0", order)) == FOX


def test_user_comment_in_the_first_directory() -> None:
    block = exif(
        {SOFTWARE: b"Fooocus v2\0", 0x9286: b'{"prompt": "a fox, drawn", "styles": "x"}\0'}
    )
    found = read_metadata(jpeg((0xE1, b"Exif\0\0" + block)))
    assert found is not None and (found.prompt, found.generator) == ("a fox, drawn", "Fooocus")


def test_other_tags_segments_and_files() -> None:
    text = PARAMETERS.encode()
    description = exif({DESCRIPTION: text + b"\0"}, "<")
    assert prompt_of(jpeg((0xE1, b"Exif\0\0" + description))) == PROMPT
    comment = exif({XP_COMMENT: PARAMETERS.encode("utf-16-le") + b"\0\0"})
    assert prompt_of(jpeg((0xE1, b"Exif\0\0" + comment))) == PROMPT
    assert prompt_of(jpeg((0xFE, text))) == PROMPT
    caption = b"\x1c\x02\x78" + struct.pack(">H", len(text)) + text
    resource = b"Photoshop 3.0\08BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption
    assert prompt_of(jpeg((0xED, resource))) == PROMPT
    assert prompt_of(webp(EXIF=b"Exif\0\0" + description)) == PROMPT
    assert prompt_of(gif(text)) == PROMPT
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "TIFF", description=PARAMETERS)
    assert prompt_of(buffer.getvalue()) == PROMPT


def test_xmp_as_elements_as_attributes_and_in_every_file() -> None:
    described = f"<dc:description><rdf:Alt><rdf:li>{PARAMETERS}</rdf:li></rdf:Alt></dc:description>"
    other = described.replace("</rdf:Alt>", "<rdf:li>ein Fuchs</rdf:li></rdf:Alt>")
    attribute = f'dc:description="{PARAMETERS}"'.replace("\n", "&#10;")
    for packet in (xmp(described), xmp(other), xmp("", attribute)):
        assert prompt_of(png(text_chunk("XML:com.adobe.xmp", packet, b"iTXt"))) == PROMPT
        assert prompt_of(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))) == PROMPT
        assert prompt_of(webp(XMP_=packet)) == PROMPT


@pytest.mark.parametrize("order", ["<", ">"])
def test_avif_and_jpeg_xl(order: str) -> None:
    block = b"Exif\0\0" + comment_block(b"UNICODE\0" + PARAMETERS.encode("utf-16-be"), order)
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "AVIF", exif=block)
    assert prompt_of(buffer.getvalue()) == PROMPT
    top = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    assert prompt_of(top + box(b"Exif", bytes(4) + block[6:])) == PROMPT


@pytest.mark.parametrize("mode,size", [("RGBA", (64, 300)), ("RGB", (64, 300)), ("RGBA", (90, 40)),
                                       ("RGB", (90, 30)), ("RGBA", (64, 120))])  # fmt: skip
def test_text_in_the_lowest_bits(mode: str, size: tuple[int, int]) -> None:
    assert prompt_of(stealth(PARAMETERS.encode(), mode, size)) == PROMPT
    broken = text_chunk("a", "b")[:-4] + bytes(4)  # with a checksum that Pillow refuses
    whole = stealth(PARAMETERS.encode(), mode, size)
    assert prompt_of(whole[:33] + broken + whole[33:]) == PROMPT
    packed = b"stealth_pngcomp" if mode == "RGBA" else b"stealth_rgbcomp"
    assert prompt_of(stealth(gzip.compress(PARAMETERS.encode()), mode, size, packed)) == PROMPT


def test_a_pillow_image_has_the_texts_of_its_file() -> None:
    comment = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    files = (
        png(text_chunk("parameters", PARAMETERS)), jpeg_comment(comment),
        jpeg((0xFE, PARAMETERS.encode())),
        webp(), stealth(PARAMETERS.encode(), "RGBA", (64, 300)),
    )  # fmt: skip
    for content in files:
        with Image.open(io.BytesIO(content)) as image:
            assert read_metadata(image) == read_metadata(content)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM"])
def test_pictures_without_metadata(format: str, tmp_path: Path) -> None:
    assert read_metadata(plain(format)) is None
    (tmp_path / "a").write_bytes(plain(format))
    assert read_metadata(tmp_path / "a") is None


def test_what_cameras_and_editors_write_is_no_prompt() -> None:
    camera = exif({0x010F: b"Canon\0", DESCRIPTION: b"a day at the sea\0"})
    assert read_metadata(jpeg((0xE1, b"Exif\0\0" + camera))) is None
    screenshot = comment_block(b"ASCII\0\0\0Screenshot")
    assert read_metadata(jpeg((0xE1, b"Exif\0\0" + screenshot))) is None
    assert read_metadata(jpeg((0xFE, b"CREATOR: gd-jpeg v1.0, quality = 90"))) is None
    assert read_metadata(gif(b"Created with GIMP")) is None
    assert read_metadata(png(text_chunk("Software", "a drawing program"))) is None


def test_negative_prompt_comes_with_it() -> None:
    found = read_metadata(png(text_chunk("parameters", PARAMETERS)))
    assert found is not None and found.negative_prompt == NEGATIVE
