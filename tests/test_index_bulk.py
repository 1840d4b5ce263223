"""Bulk embedding: pixels within a grey level of Pillow's, vectors as one by one, faults kept."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unprompt.index.base.errors import UnpromptError, UnreadableImageError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import BulkEncoder, EncoderConfig
from unprompt.index.exported import pixels as pixels_file
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.exported.pixels import PixelReader
from unprompt.index.images.pictures import PictureLimits, open_picture
from unprompt.index.runtime.compiled import NO_DIGESTS, SavedGraph
from unprompt.index.runtime.infer_pool import ImagePool, compile_streams, has_bf16
from unprompt.index.runtime.requests import Requests
from unprompt.index.runtime.self_check import check_batched, compare, synthetic_pictures

SIZES = [(512, 512), (300, 200), (200, 301), (64, 64), (40, 33), (1, 1), (900, 61)]


def stored(picture: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def photo(size: tuple[int, int]) -> Image.Image:
    cloud = synthetic_pictures(1, 64)[0]
    return Image.fromarray(cloud).resize(size, Image.Resampling.BICUBIC)


def preprocess(interpolation: str = "bicubic", mode: str = "shortest") -> Preprocess:
    return Preprocess(64, (0.5,) * 3, (0.5,) * 3, interpolation, mode)  # type: ignore[arg-type]


def apart(found: np.ndarray, wanted: np.ndarray) -> int:
    assert found.shape == wanted.shape and found.dtype == np.uint8
    return int(np.abs(found.astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_pixels_are_pillows_within_a_grey_level(
    size: tuple[int, int], interpolation: str, mode: str
) -> None:
    chosen = preprocess(interpolation, mode)
    for content in (stored(photo(size), quality=90), stored(photo(size), "PNG")):
        wanted = chosen([open_picture(content, "picture")])[0]
        assert apart(PixelReader(chosen)(content, "picture"), wanted) <= 1


def test_jpegs_of_every_kind() -> None:
    """Grey, CMYK, progressive, subsampled, turned by EXIF, and a strip."""
    picture, chosen = photo((120, 80)), preprocess()
    turned = Image.Exif()
    turned[0x0112] = 6
    contents = [
        stored(picture.convert("L")),
        stored(picture.convert("CMYK")),
        stored(picture, progressive=True, quality=30, subsampling=2),
        stored(picture, exif=turned),
        stored(picture.resize((9000, 10))),
    ]
    for content in contents:
        wanted = chosen([open_picture(content, "picture")])[0]
        assert apart(PixelReader(chosen)(content, "picture"), wanted) <= 1


def test_what_pillow_refuses_is_refused_alike() -> None:
    whole = stored(photo((120, 80)))
    limit = PictureLimits(max_pixels=5000)
    for content, limits in (
        (whole[: len(whole) // 2], PictureLimits()),
        (whole, limit),
        (b"\xff\xd8 nothing", PictureLimits()),
        (b"", PictureLimits()),
        (stored(photo((120, 80)), "PNG")[:300], PictureLimits()),
    ):
        with pytest.raises(UnreadableImageError) as wanted:
            open_picture(content, "picture", limits)
        with pytest.raises(UnreadableImageError) as found:
            PixelReader(preprocess(), limits)(content, "picture")
        assert str(found.value) == str(wanted.value)


def test_without_the_build_extra_pillow_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels_file, "_find", lambda library: None)
    content = stored(photo((300, 200)))
    wanted = preprocess()([open_picture(content, "picture")])[0]
    np.testing.assert_array_equal(PixelReader(preprocess())(content, "picture"), wanted)


@pytest.fixture(scope="module")
def contents(tiny_pictures: list[Image.Image]) -> list[tuple[str, bytes]]:
    """21 pictures and two files that are none: neither a whole number of batches nor of streams."""
    pictures = [(f"{n}", stored(p, quality=95)) for n, p in enumerate(tiny_pictures[:21])]
    return [*pictures[:5], ("broken", pictures[0][1][:99]), *pictures[5:], ("text", b"a fox")]


def vectors_of(found: Iterator[tuple[str, object]]) -> dict[str, object]:
    return {name: part if isinstance(part, np.ndarray) else str(part) for name, part in found}


@pytest.mark.parametrize("streams", [1, 3])
def test_bulk_vectors_are_those_of_single_pictures(
    tiny_run: Path, contents: list[tuple[str, bytes]], streams: int
) -> None:
    encoder = load_encoder(tiny_run / "bundle" / "encoder", streams)
    found = dict(encode_contents(encoder, contents))
    assert list(found) == [name for name, _ in contents]
    for name, content in contents:
        vector = found[name]
        if name in ("broken", "text"):
            assert isinstance(vector, UnreadableImageError) and f"picture {name}" in str(vector)
            continue
        assert isinstance(vector, np.ndarray) and vector.dtype == np.float32
        (alone,) = encoder.encode([open_picture(content, name)])
        assert float(vector @ alone) >= 0.9999


def test_streams_change_no_bit(tiny_run: Path, contents: list[tuple[str, bytes]]) -> None:
    one, three = (
        vectors_of(
            encode_contents(load_encoder(tiny_run / "bundle" / "encoder", streams), contents)
        )
        for streams in (1, 3)
    )
    assert one.keys() == three.keys()
    for name, vector in one.items():
        np.testing.assert_array_equal(vector, three[name])


def test_the_reader_stays_a_few_batches_ahead(tiny_run: Path, tiny_pictures: list[object]) -> None:
    """A tar of a million pictures is not read into memory."""
    encoder = load_encoder(tiny_run / "bundle" / "encoder", 2)
    content, taken = stored(tiny_pictures[0]), []  # type: ignore[arg-type]

    def endless() -> Iterator[tuple[str, bytes]]:
        while True:
            taken.append(threading.get_ident())
            yield "fox", content

    source = encode_contents(encoder, endless())
    assert next(source)[0] == "fox"
    assert len(taken) <= 4 * encoder.batch_size and set(taken) == {threading.get_ident()}
    source.close()


def test_every_lane_has_its_request_before_any_runs() -> None:
    """OpenVINO makes a request only once those that run are done: streams would take turns."""
    from openvino import Model, opset13

    class Counted:
        """A compiled network, and how many requests were made of it."""

        def __init__(self, compiled: Any):
            self.compiled, self.made, self.outputs = compiled, 0, compiled.outputs

        def create_infer_request(self) -> Any:
            self.made += 1
            return self.compiled.create_infer_request()

    numbers = opset13.parameter([1, 4], np.float32)
    doubled = Model([opset13.multiply(numbers, opset13.constant(np.float32(2)))], [numbers])
    network = Counted(compile_streams(doubled, "f32", streams=2))
    requests = Requests(network, 2)
    inputs = [np.full((1, 4), number, dtype=np.float32) for number in range(40)]
    for _ in range(3):  # threads that come and go, and more of them than streams
        with ThreadPoolExecutor(5) as pool:
            found = [vector for [vector] in pool.map(requests, inputs)]
        np.testing.assert_array_equal(np.stack(found), 2 * np.stack(inputs))
    assert network.made == 2
    with pytest.raises(RuntimeError):
        requests(np.zeros((1, 5), dtype=np.float32))
    assert requests(inputs[3])[0].tolist() == [[6.0] * 4], "a request that failed is used again"
    assert requests(inputs[4])[0].tolist() == [[8.0] * 4]


@pytest.mark.slow
def test_compressed_weights_in_many_networks(tmp_path: Path) -> None:
    """OpenVINO mixes up int8 weights when several streams widen them; ours are widened before."""
    config = EncoderConfig(model="efficientnet-lite0", image_size=64, storage="int8")
    export_encoder(config, tmp_path)
    pictures = synthetic_pictures(16, 64)
    files = tmp_path / "tower.xml", tmp_path / "tower.bin"
    saved = SavedGraph(*files, NO_DIGESTS, "f32")
    wanted = ImagePool(saved, 64, 1, 1)
    single = np.concatenate([wanted(picture[None]) for picture in pictures])
    for _ in range(12):
        for batch in (8, 16):
            found = ImagePool(saved, 64, batch, 2)(pictures[:batch])
            assert compare(single[:batch], found).lowest >= 0.9999


def test_a_network_that_answers_wrongly_is_refused(tiny_run: Path) -> None:
    encoder = load_encoder(tiny_run / "bundle" / "encoder")
    size = encoder.preprocess.image_size

    def single(pixels: np.ndarray) -> np.ndarray:
        return encoder.encode([Image.fromarray(pixel) for pixel in pixels])

    check_batched(single, encoder.encode_pixels, size, encoder.batch_size)
    wrong = [lambda p: encoder.encode_pixels(p)[::-1], lambda p: np.nan * encoder.encode_pixels(p)]
    for bulk in wrong:
        with pytest.raises(UnpromptError, match=r"cosine .*encoder\.precision: f32"):
            check_batched(single, bulk, size, encoder.batch_size)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "bf16", "f32"])
def test_precision_is_chosen_by_its_vectors(tmp_path: Path, precision: str) -> None:
    """An EfficientNet's bf16 is under the floor: only a user who asks gets it."""
    config = EncoderConfig(model="efficientnet-lite0", image_size=96, precision=precision)  # type: ignore[arg-type]
    description = export_encoder(config, tmp_path)
    wanted = "bf16" if precision == "bf16" and has_bf16() else "f32"
    assert description["precision"] == wanted
    measured = has_bf16() and precision != "f32"
    assert ("bf16_cosine" in description) == measured
    if measured:
        assert 0.99 < description["bf16_cosine"]["mean"] < 0.9999
    encoder: BulkEncoder = load_encoder(tmp_path)
    assert encoder.encode_pixels(synthetic_pictures(3, 96)).shape == (3, encoder.dim)
