"""Pictures as users have them, good and broken -> RGB uint8 (h, w, 3) or an error that helps."""

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.index.base.errors import ConfigError, UnreadableImageError
from unprompt.index.images.pictures import PictureLimits, encode_picture, open_picture, to_array


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(content: bytes) -> np.ndarray:
    image = open_picture(content, "query")
    assert image.mode == "RGB"
    return to_array(image)


def bomb(width: int, height: int, lines: int | None = None) -> bytes:
    """A 1-bit PNG, whole unless `lines` is given: a few kB that declare `width` x `height`."""
    packer = zlib.compressobj(9)
    line = bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(line) for _ in range(lines or height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    marks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + marks


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything: become nobody meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "format,options",
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
        ("GIF", {}),
    ],
)
def test_lossless_formats_give_the_exact_pixels(format: str, options: dict[str, object]) -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(opened(saved(Image.fromarray(pixels), format, **options)), pixels)


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_lossy_formats_come_close(format: str) -> None:
    image = Image.new("RGB", (32, 16), (200, 100, 50))
    found = opened(saved(image, format, quality=95))
    assert found.shape == (16, 32, 3)
    assert np.abs(found.astype(int) - [200, 100, 50]).max() <= 4


def test_path_bytes_and_open_file_give_the_same(tmp_path: Path) -> None:
    content = saved(Image.new("RGB", (3, 2), (1, 2, 3)), "PNG")
    path = tmp_path / "query.png"
    path.write_bytes(content)
    with path.open("rb") as handle:
        from_handle = to_array(open_picture(handle, "query"))
    np.testing.assert_array_equal(to_array(open_picture(path, "query")), opened(content))
    np.testing.assert_array_equal(from_handle, opened(content))


def test_one_pixel_of_every_mode() -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        assert opened(saved(Image.new(mode, (1, 1)), "PNG")).shape == (1, 1, 3)


def test_alpha_is_composited_on_white() -> None:
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert (opened(saved(clear, "PNG")) == 255).all()
    assert (opened(saved(half, "PNG")) == 127).all()
    grey_alpha = Image.new("LA", (2, 2), (10, 0))
    assert (opened(saved(grey_alpha, "PNG")) == 255).all()


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    found = opened(saved(image, "PNG", transparency=0))
    assert found.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    for format in ("PNG", "TIFF"):
        found = opened(saved(Image.fromarray(values), format))
        assert found[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparent_16_bit_grey_becomes_white() -> None:
    image = Image.fromarray(np.array([[0, 514]], np.uint16))
    assert opened(saved(image, "PNG", transparency=514))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    "values,wanted",
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 500.0, 1000.0], [0, 128, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
        ([-5.0, -5.0, -5.0], [0, 0, 0]),
    ],
)
def test_float_grey(values: list[float], wanted: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert opened(saved(image, "TIFF"))[0, :, 0].tolist() == wanted


def test_32_bit_grey_beyond_16_bits_is_stretched() -> None:
    image = Image.fromarray(np.array([[0, 100_000, 200_000]], np.int32))
    assert opened(saved(image, "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_jpeg() -> None:
    found = opened(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 6


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    "orientation,corner",
    [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 0)), (5, (0, 0)), (6, (0, 1)), (7, (1, 1)),
     (8, (1, 0))],
)  # fmt: skip
def test_orientation_is_applied(format: str, orientation: int, corner: tuple[int, int]) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = opened(saved(Image.fromarray(pixels), format, exif=exif))
    assert found.shape == ((16, 32, 3) if orientation <= 4 else (32, 16, 3))
    row, column = (-4 if edge else 4 for edge in corner)
    assert found[row, column].min() > 200
    assert (found > 200).all(axis=2).sum() <= 100


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_lose_the_picture() -> None:
    content = saved(Image.new("RGB", (4, 4)), "PNG", exif=b"Exif\0\0MM\0*\0\0\xff\xff nothing")
    assert opened(content).shape == (4, 4, 3)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    content = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert (opened(content) == [255, 0, 0]).all()


def test_texts_and_other_notes_are_dropped() -> None:
    text = PngInfo()
    text.add_text("parameters", "a red fox")
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(Image.new("RGB", (4, 2)), "PNG", pnginfo=text, exif=exif)
    image = open_picture(content, "query")
    assert image.info == {} and image.size == (2, 4)
    assert dict(image.getexif()) == {}


def test_bomb_is_refused_before_it_is_decoded() -> None:
    content = bomb(20_000, 10_000)
    assert len(content) < 100_000
    tracemalloc.start()
    with pytest.raises(UnreadableImageError, match=r"bomb\.png.*200000000.*64 megapixels"):
        open_picture(content, "bomb.png")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "action,fault", [("ignore", "10000x10000 .*100 mega"), ("error", "100000")]
)
def test_bomb_that_pillow_only_warns_of(action: str, fault: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(UnreadableImageError, match=rf"bomb\.png.*{fault}.*64 megapixels"):
            open_picture(bomb(10_000, 10_000), "bomb.png")


def test_bomb_that_pillow_itself_refuses() -> None:
    header_only = bomb(60_000, 60_000, lines=1)
    with pytest.raises(UnreadableImageError, match="3600000000 pixels"):
        open_picture(header_only, "bomb.png", PictureLimits(max_pixels=10**12))


def test_limit_is_a_setting_and_is_kept_to_the_pixel() -> None:
    content = saved(Image.new("RGB", (10, 10)), "PNG")
    assert open_picture(content, "query", PictureLimits(max_pixels=100)).size == (10, 10)
    with pytest.raises(UnreadableImageError, match="10x10"):
        open_picture(content, "query", PictureLimits(max_pixels=99))
    with pytest.raises(UnreadableImageError, match="larger than"):
        open_picture(content, "query", PictureLimits(max_bytes=len(content) - 1))
    with pytest.raises(ConfigError, match="at least 1"):
        PictureLimits(max_pixels=0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_picture_cut_short(format: str, part: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = saved(Image.fromarray(noise), format)
    with pytest.raises(UnreadableImageError, match=r"query: .*wanted a whole PNG"):
        open_picture(content[: int(len(content) * part)], "query")


@pytest.mark.filterwarnings("ignore")  # what Pillow says of damaged metadata
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_bytes_give_a_picture_or_our_error(
    format: str, changes: list[tuple[float, int]]
) -> None:
    content = bytearray(saved(Image.linear_gradient("L").resize((24, 24)), format))
    for position, value in changes:
        content[int(position * len(content))] = value
    try:
        found = open_picture(bytes(content), "query", PictureLimits(max_pixels=10_000_000))
    except UnreadableImageError as error:
        assert "query" in str(error)
    else:
        assert found.mode == "RGB"


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("<html>not found</html>")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    faults = {
        "empty.png": "the file is empty",
        "text.png": "HTML page: fetch the picture itself",
        "folder.png": "it is a folder",
        "dangling.png": "cannot be opened .No such file",
        "missing.png": "cannot be opened .No such file",
        "pipe.png": "a pipe or a device",
    }
    for name, fault in faults.items():
        with pytest.raises(UnreadableImageError, match=f"{name}: .*{fault}.*wanted"):
            open_picture(tmp_path / name, name)


def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(saved(Image.new("RGB", (1, 1)), "PNG"))
    path.chmod(0)
    fault = r"secret\.png: .*Permission denied"
    with unprivileged(), pytest.raises(UnreadableImageError, match=fault):
        open_picture(path, "secret.png")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_png_round_trip_is_exact_and_same_bytes(height: int, width: int, seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    content = encode_picture(array, "png")
    assert content == encode_picture(array.copy(), "png")
    np.testing.assert_array_equal(opened(content), array)


@pytest.mark.parametrize("format", ["webp", "jpg"])
def test_lossy_encoding_is_deterministic_and_follows_quality(format: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert encode_picture(array, format, 90) == encode_picture(array, format, 90)
    assert len(encode_picture(array, format, 30)) < len(encode_picture(array, format, 90))
    assert opened(encode_picture(array, format, 90)).shape == (64, 64, 3)


def test_what_cannot_be_encoded_is_refused() -> None:
    array = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ConfigError, match="png, webp or jpg, got 'bmp'"):
        encode_picture(array, "bmp")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="from 1 to 100"):
        encode_picture(array, "jpg", 101)
    with pytest.raises(ConfigError, match="float32"):
        encode_picture(array.astype(np.float32), "png")
    with pytest.raises(ConfigError, match="choose png"):
        encode_picture(np.zeros((1, 20_000, 3), np.uint8), "webp")
