"""Kinds of files by their first bytes, decoding within the budget, notes that cannot harm."""

import io
import struct
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import UnreadableImageError
from unprompt.index.decode.arenas import share_arenas
from unprompt.index.decode.budget import ByteBudget
from unprompt.index.decode.jxl_size import jxl_size
from unprompt.index.decode.kinds import find_kind
from unprompt.index.images.pictures import PictureLimits, open_picture

SHARED = Path(__file__).parents[2] / "shared" / "cases" / "pictures"
SMALL = PictureLimits(keep_pixels=100 * 100)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def waves(width: int, height: int, mode: str = "RGB") -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    parts = [127 + 120 * np.sin(x / 40), 127 + 120 * np.cos(y / 30), (x + y) * 255 / (x + y).max()]
    image = Image.fromarray(np.stack(parts, -1).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray((x * 255 // width).astype(np.uint8)))
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize(
    "content,name,remedy",
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture", r"install unprompt\[heif\]"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix", "HEIC picture", r"install unprompt\[heif\]"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL picture", r"install unprompt\[jxl\]"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "SVG drawing", "convert"),
        (b"8BPS\0\1", "Photoshop", "convert"),
        (b"%PDF-1.7\n", "PDF document", "save its pages"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomavc1", "MP4 or MOV video", "save one of its frames"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "MP4 or MOV video", "save one of its frames"),
        (b"\x1aE\xdf\xa3\x01", "WebM", "save one of its frames"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI video", "save one of its frames"),
        (b"PK\x03\x04\x14", "ZIP archive", "unpack"),
        (b"\0\0\1\0\1\0", "ICO icon", "convert"),
        (b"<!DOCTYPE html><title>404", "HTML page", "fetch the picture itself"),
        (b'{"error": "no"}', "JSON file", "no picture"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer", "git lfs pull"),
        (bytes(100), "zero bytes", "fetch it again"),
        (b"\x93\x01\xfe\x80" * 9, r"unknown kind .it starts with b'.x93", "name a picture"),
    ],
)
def test_what_cannot_be_read_is_said_by_its_real_name(
    content: bytes, name: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unprompt.index.decode.open_file._can_read", lambda form: False)
    with pytest.raises(UnreadableImageError, match=f"a\\.png: .*{name}.*: .*{remedy}"):
        open_picture(content, "a.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"])
def test_every_format_is_known_by_its_first_bytes(form: str) -> None:
    assert find_kind(saved(Image.new("RGB", (3, 2)), form)).format == form


@pytest.mark.parametrize("form,library", [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_extras_read_heic_and_jpeg_xl(form: str, library: str) -> None:
    plugin = pytest.importorskip(library)
    if form == "HEIF":
        plugin.register_heif_opener()
    picture = waves(320, 200)
    content = saved(picture, form)
    assert find_kind(content).format == form
    found = open_picture(content, "a.png", SMALL)
    assert found.size == (80, 50)
    assert np.abs(np.asarray(found) - np.asarray(picture.reduce(4), np.int16)).mean() < 4
    if form == "JXL":
        assert jxl_size(content) == (320, 200)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "JPEG2000", "BMP", "GIF", "AVIF"])
def test_large_pictures_come_out_smaller(form: str) -> None:
    picture = waves(417, 300)
    found = open_picture(saved(picture, form), "a", SMALL)
    assert found.size in ((105, 75), (104, 75)) and found.mode == "RGB"
    wanted = np.asarray(picture.resize(found.size, Image.Resampling.BOX), np.int16)
    assert np.abs(np.asarray(found) - wanted).mean() < (12 if form == "GIF" else 4)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK", "I;16", "I", "F", "1"])
def test_strips_agree_with_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = waves(300, 207, "RGBA" if mode == "RGBA" else "RGB" if mode == "P" else "L")
    if mode == "P":
        picture = picture.quantize(32)
    elif mode in ("I;16", "I", "F"):
        values = np.asarray(picture, np.float32) * (257 if mode == "I;16" else -3.5)
        picture = Image.fromarray(values.astype({"I;16": "uint16", "I": "int32"}.get(mode, "f4")))
    elif mode != "RGBA":
        picture = picture.convert(mode)
    assert picture.mode == mode
    whole = open_picture(picture, "a", SMALL)
    monkeypatch.setattr("unprompt.index.decode.convert.STRIP_PIXELS", 5_000)
    assert np.array_equal(np.asarray(open_picture(picture, "a", SMALL)), np.asarray(whole))
    assert whole.size == (75, 52)


def test_64_megapixels_cost_little_and_more_than_the_budget_is_refused() -> None:
    content = saved(Image.new("L", (8000, 8000)), "JPEG", quality=20)
    tracemalloc.start()
    assert open_picture(content, "a").size == (2000, 2000)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()
    lossless = saved(Image.new("RGB", (8000, 4000)), "WEBP", lossless=True, quality=0, method=0)
    with pytest.raises(UnreadableImageError, match="takes 5.. MB of memory, and the limit is 400"):
        open_picture(lossless, "a")


def test_the_budget_is_shared_in_order_and_one_large_holder_is_alone() -> None:
    budget, held, most = ByteBudget(100), [0], [0]
    lock = threading.Lock()

    def work(count: int) -> None:
        for _ in range(20):
            with budget.hold(count):
                with lock:
                    held[0] += count
                    most[0] = max(most[0], held[0] - 400 * (held[0] == 500))
                with lock:
                    held[0] -= count

    threads = [threading.Thread(target=work, args=(count,)) for count in (10, 30, 60, 90, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] <= 100 and budget.used == 0


def test_arenas_are_shared_where_the_allocator_has_some() -> None:
    assert share_arenas() in (True, False)
    assert sum(map(len, [bytes(1000)] * 3)) == 3000, "memory is still given"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def exif_of(entries: int, data: bytes) -> bytes:
    """An EXIF block whose tags all point at the same bytes."""
    start = 8 + 2 + 12 * entries + 4
    tags = b"".join(
        struct.pack("<HHLL", 0x8000 + place, 7, len(data), start) for place in range(entries)
    )
    return b"II*\0" + struct.pack("<LH", 8, entries) + tags + bytes(4) + data


def test_notes_of_a_picture_cannot_harm_it() -> None:
    png = saved(waves(20, 10), "PNG")
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5_000_000)))
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(5_000_000)))
    wrong = chunk(b"tEXt", b"parameters\0x")[:-4] + b"oops"
    for notes in (bomb, profile, wrong, bomb + wrong + profile):
        assert open_picture(png[:33] + notes + png[33:], "a").size == (20, 10)
        assert open_picture(png[:-12] + notes + png[-12:], "a").size == (20, 10)
    jpeg = saved(waves(20, 10), "JPEG")
    block = exif_of(3000, bytes(20_000))
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    tracemalloc.start()
    assert open_picture(jpeg[:2] + segment * 40 + jpeg[2:], "a").size == (20, 10)
    tiff = saved(waves(20, 10), "TIFF")
    with pytest.raises(UnreadableImageError, match="claim more bytes|damaged"):
        open_picture(exif_of(3000, bytes(200_000)), "a")
    assert open_picture(tiff, "a").size == (20, 10)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_many_parts_are_refused_soon() -> None:
    jpeg = saved(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    scan = jpeg.rindex(b"\xff\xda")
    with pytest.raises(UnreadableImageError, match="more than 200 scans"):
        open_picture(jpeg[:scan] + jpeg[scan:-2] * 300 + jpeg[-2:], "a")
    large = saved(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    scan = large.rindex(b"\xff\xda")
    with pytest.raises(UnreadableImageError, match="scans of 16 megapixels each"):
        open_picture(large[:scan] + large[scan:-2] * 100 + large[-2:], "a")
    plain, other = (
        b"P2\n1500 1500\n9\n" + b"1 " * 2_250_000,
        b"P6\n1500 1500\n100\n" + bytes(6_750_000),
    )
    for ppm in (plain, other):
        with pytest.raises(UnreadableImageError, match="slow to read, with more than 2 megapixels"):
            open_picture(ppm, "a")
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * 1_000_000
    with pytest.raises(UnreadableImageError, match="its headers are damaged, or longer"):
        open_picture(boxes, "a")
    comments = b"P2\n9 9\n9\n" + b"#\n" * 500_000
    for start, fault in ((b"P5\n" + b"#" * 9_000_000, "header"), (comments, "comments")):
        with pytest.raises(UnreadableImageError, match=fault):
            open_picture(start, "a")
    assert open_picture(b"P5 # a fox\n2 1 # wide\n255\n\0\xff", "a").size == (2, 1)
    gif = saved(waves(20, 10, "P"), "GIF")
    comment = b"!\xfe" + (b"\xff" + b"c" * 255) * 30_000 + b"\0"
    head = 13 + 3 * 256
    assert open_picture(gif[:head] + comment + gif[head:], "a").size == (20, 10)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_pictures_are_turned_upright(form: str, turned: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turned
    picture = Image.new("RGB", (20, 10))
    picture.paste("red", (0, 0, 8, 8))
    found = open_picture(saved(picture, form, exif=exif), "a")
    places = {1: (2, 2), 3: (17, 7), 6: (7, 2), 8: (2, 17)}
    assert found.size == ((20, 10) if turned < 5 else (10, 20))
    assert np.asarray(found)[places[turned][::-1]][0] > 200


def test_the_given_pictures_have_names_or_pixels() -> None:
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/cases/pictures")
    said = {}
    for path in sorted(SHARED.iterdir()):
        try:
            open_picture(path, path.name)
        except UnreadableImageError as error:
            said[path.suffix] = str(error)
    kinds = {".svg": "SVG drawing", ".psd": "Photoshop", ".ico": "ICO icon", ".tga": "TGA"}
    assert all(kind in said[suffix] for suffix, kind in kinds.items())
