"""The library: the same answers as the command line, from every form that a picture may have."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import unprompt
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer
from unprompt.index.images.pictures import open_picture, to_array
from unprompt.index.images.sources import read_source
from unprompt.inversion.inverter import BATCH

SIDE = 96
PROMPT = "a red fox, (masterpiece:1.2)"
PARAMETERS = (
    f"{PROMPT}\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x64, Model: sd2"
)
PLAIN = unprompt.Query(compose=False)


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A picture that the starter knows."""
    drawn = ScenesRenderer(256).render(sample_prompts(1, 997), [0])[0]
    return Image.fromarray(drawn).resize((SIDE, SIDE))


@pytest.fixture(scope="module")
def starter() -> unprompt.Inverter:
    return unprompt.load()


def with_alpha(image: Image.Image, mode: str = "RGBA") -> Image.Image:
    alpha = Image.linear_gradient("L").resize(image.size)
    bands = [*image.convert("L" if mode == "LA" else "RGB").split(), alpha]
    return Image.merge(mode, bands)


def parameters_chunk() -> PngInfo:
    text = PngInfo()
    text.add_text("parameters", PARAMETERS)
    return text


def user_comment(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    return exif


def write_pictures(folder: Path, scene: Image.Image) -> list[Path]:
    """One file per kind that `open_picture` treats in a way of its own."""
    turned = Image.Exif()
    turned[0x0112] = 6
    gray16 = Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [scene.rotate(90), scene.rotate(180)]}
    palette = scene.quantize(16)
    files: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("rgb.png", scene, {}),
        ("alpha.png", with_alpha(scene), {"pnginfo": parameters_chunk()}),
        ("turned.jpg", scene, {"exif": turned, "quality": 95}),
        ("gray16.png", gray16, {}),
        ("cmyk.jpg", scene.convert("CMYK"), {"quality": 95}),
        ("palette.png", palette, {}),
        ("transparent-palette.png", palette, {"transparency": 0}),
        ("animated.webp", scene, {"lossless": True, **frames}),
        ("animated.gif", scene, frames),
        ("gray.png", scene.convert("L"), {}),
        ("gray-alpha.png", with_alpha(scene, "LA"), {}),
        ("scan.tiff", scene, {"exif": turned}),
        ("plain.bmp", scene, {}),
        ("written.jpg", scene, {"exif": user_comment(8), "quality": 95}),
        ("written.webp", scene, {"exif": user_comment(3), "lossless": True}),
    ]
    for name, image, options in files:
        image.save(folder / name, **options)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, scene: Image.Image) -> list[Path]:
    return write_pictures(tmp_path_factory.mktemp("pictures"), scene)


def prompt_of(answer: unprompt.Inversion) -> dict[str, Any] | None:
    return answer.metadata_prompt and answer.metadata_prompt.as_json()


def same(one: unprompt.Inversion, other: unprompt.Inversion) -> bool:
    return one.as_json() == other.as_json()


def test_library_and_command_give_the_same(
    files: list[Path], starter: unprompt.Inverter, cli: Callable[..., Any]
) -> None:
    shown = cli("invert", *files, "--json", "--no-compose", "--top-k", 10)
    assert shown.code == 0, shown.err
    told = [json.loads(line) for line in shown.out.splitlines()]
    answers = starter.invert(files, PLAIN)
    assert [Path(line["image"]) for line in told] == files
    for line, answer in zip(told, answers, strict=True):
        np.testing.assert_allclose(answer.vector, line["vector"], atol=1e-6)
        assert prompt_of(answer) == line["metadata_prompt"]
        assert answer.prompt == line["prompt"] and answer.outside is line["outside"]
    written = {path.name for path, answer in zip(files, answers, strict=True) if prompt_of(answer)}
    assert written == {"alpha.png", "written.jpg", "written.webp"}
    vectors = np.array([answer.vector for answer in answers])
    assert (vectors @ vectors.T).min() < 0.99, "the kinds do differ"


def test_one_file_alone(
    files: list[Path], starter: unprompt.Inverter, cli: Callable[..., Any]
) -> None:
    (written,) = [path for path in files if path.name == "written.jpg"]
    told = json.loads(cli("invert", written, "--json", "--top-k", 10).out)
    answer = starter.invert(written)
    np.testing.assert_allclose(answer.vector, told["vector"], atol=1e-6)
    found = answer.metadata_prompt
    assert found is not None and found.prompt == "a red fox, (masterpiece:1.2)"
    assert (found.negative_prompt, found.generator) == ("blurry", "AUTOMATIC1111")
    assert prompt_of(answer) == told["metadata_prompt"] and answer.prompt == told["prompt"]
    assert (
        starter.invert(written, unprompt.Query(compose=False, metadata=False)).as_json()[
            "metadata_prompt"
        ]
        is None
    )


@pytest.mark.parametrize(
    "form",
    [str, Path.read_bytes, lambda p: bytearray(p.read_bytes()), lambda p: p.open("rb"),
     lambda p: io.BytesIO(p.read_bytes()), Image.open],
    ids=["str", "bytes", "bytearray", "open file", "BytesIO", "Pillow"],
)  # fmt: skip
def test_every_form_of_a_file_is_the_same_picture(
    files: list[Path], form: Callable[[Path], Any]
) -> None:
    """Pixels and metadata, for every kind of file."""
    from unprompt.inversion.opening import open_source

    for path in files:
        image, written = open_source(form(path))
        wanted, from_path = open_source(path)
        np.testing.assert_array_equal(to_array(image), to_array(wanted))
        assert image.mode == "RGB" and written == from_path


def test_forms_of_one_picture_give_one_answer(
    files: list[Path], starter: unprompt.Inverter, scene: Image.Image
) -> None:
    (path,) = [path for path in files if path.name == "rgb.png"]
    wanted = starter.invert(path, PLAIN)
    pixels = np.asarray(scene)
    with path.open("rb") as file:
        forms = [path.read_bytes(), file, Image.open(path), pixels, pixels / 255.0]
        assert all(same(starter.invert(form, PLAIN), wanted) for form in forms)
    assert isinstance(starter.invert([path], PLAIN), list)
    assert same(starter.invert((path,), PLAIN)[0], wanted)


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX",
     "RGBa", "La", "I;16", "I;16B"],
)  # fmt: skip
def test_pillow_images_of_every_mode(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    assert open_picture(image, "given").size == (3, 2)
    assert open_picture(image, "given").mode == "RGB" and image.mode == mode


def test_a_pillow_image_is_turned_once_and_left_as_it_was(scene: Image.Image) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    scene.crop((0, 0, 40, 20)).save(buffer, "PNG", exif=exif)
    image = Image.open(buffer)
    upright = open_picture(image, "given")
    assert image.size == (40, 20) and upright.size == (20, 40)
    assert open_picture(upright, "again").tobytes() == upright.tobytes()
    converted = open_picture(image.convert("RGB"), "given")  # Pillow keeps the EXIF block
    assert converted.tobytes() == upright.tobytes()


def test_arrays(scene: Image.Image) -> None:
    def opened(array: np.ndarray) -> np.ndarray:
        name, image = read_source(array)
        return to_array(open_picture(image, name))

    rgb, gray = np.asarray(scene), np.asarray(scene.convert("L"))
    np.testing.assert_array_equal(opened(rgb), rgb)
    np.testing.assert_array_equal(opened(rgb[::-1, ::2]), rgb[::-1, ::2])
    for floats in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(opened((rgb / 255).astype(floats)), rgb)
    np.testing.assert_array_equal(opened(gray), np.repeat(gray[..., None], 3, 2))
    np.testing.assert_array_equal(opened(gray[..., None]), opened(gray))
    for mode in ("RGBA", "LA"):
        image = with_alpha(scene, mode)
        wanted = to_array(open_picture(image, "given"))
        np.testing.assert_array_equal(opened(np.asarray(image)), wanted)


@pytest.mark.parametrize(
    "given,fault",
    [
        (None, "a list or an iterator of these; got NoneType"),
        (7, "got int"),
        ({"a.png": 1}, "got dict"),
        ({"a.png"}, "got set"),
        ([None], "picture at position 0 is NoneType; wanted a path"),
        ([["a.png"]], "picture at position 0 is list"),
        ("https://example.com/a.png", r"'https://example.com/a.png' is a URL.* not fetched"),
        (["data:image/png;base64,AAAA"], "position 0 'data:image/png;base64,AAAA' is a URL"),
        (io.StringIO("text"), "an open file reads as str; open the file with mode 'rb'"),
        (np.zeros((3, 64, 64), np.uint8), r"uint8 of shape \(3, 64, 64\); wanted \(h, w\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"shape \(2, 8, 8, 3\)"),
        (np.zeros((8, 8, 3), np.uint16), r"uint16 of shape \(8, 8, 3\)"),
        (np.zeros((8, 8), bool), "array of bool"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
        (np.full((8, 8, 3), 255.0), "values from 255 to 255; wanted .* floats from 0 to 1"),
        (np.full((8, 8, 3), np.nan), "values from nan to nan"),
        (np.full((8, 8, 3), -0.5), "values from -0.5"),
    ],
)  # fmt: skip
def test_what_is_no_picture(starter: unprompt.Inverter, given: Any, fault: str) -> None:
    with pytest.raises(unprompt.UnsupportedPictureError, match=fault):
        starter.invert(given)


def test_files_that_cannot_be_read(starter: unprompt.Inverter, tmp_path: Path) -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    Image.new("RGB", (2, 2)).save(tmp_path / "closed.png")
    image = Image.open(tmp_path / "closed.png")
    image.close()
    faults: list[tuple[Any, str]] = [
        (tmp_path / "gone.png", r"gone\.png: it cannot be opened \(No such file"),
        (str(tmp_path), "it is a folder"),
        (b"", "given as bytes: the file is empty"),
        (b"no picture", "given as bytes: text file: it holds no picture"),
        ([b"no picture"], "at position 0 given as bytes"),
        (closed, "given as an open file: .*closed file"),
        (image, "given as a Pillow image"),
        (Image.new("1", (10_000, 10_000)), "100 megapixels"),
    ]
    for given, fault in faults:
        with pytest.raises(unprompt.UnreadableImageError, match=fault):
            starter.invert(given)


def test_a_generator_is_read_batch_by_batch(
    starter: unprompt.Inverter, scene: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a batch is taken ahead, and the order is kept."""
    pixels = np.asarray(scene)
    count, taken, answered = 2 * BATCH + 3, 0, 0
    invert_images = starter.invert_images

    def counted(images: list[Image.Image], query: unprompt.Query) -> list[unprompt.Inversion]:
        nonlocal answered
        answered += len(images)
        return invert_images(images[:1], query) * len(images)

    def pictures() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(count):
            taken += 1
            assert taken - answered <= BATCH
            yield pixels

    monkeypatch.setattr(starter, "invert_images", counted)
    answers = starter.invert(pictures(), PLAIN)
    assert len(answers) == taken == answered == count
    assert starter.invert(iter(()), PLAIN) == []


def test_every_public_name_is_there_and_documented() -> None:
    assert dir(unprompt) == unprompt.__all__ == sorted(unprompt.__all__)
    for name in unprompt.__all__:
        value = getattr(unprompt, name)
        assert name == "__version__" or value.__doc__
    errors = [name for name in unprompt.__all__ if name.endswith("Error")]
    assert all(issubclass(getattr(unprompt, name), unprompt.UnpromptError) for name in errors)
    with pytest.raises(AttributeError, match="'unprompt' has no attribute 'nothing'"):
        unprompt.nothing  # noqa: B018


def test_every_error_is_public() -> None:
    from unprompt.index.base import errors

    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined <= set(unprompt.__all__)


def test_the_function_build_stays_beside_the_folder_build() -> None:
    code = (
        "import unprompt, unprompt.build.config\n"
        "from unprompt.build.pipeline import IMAGES\n"
        "from unprompt import build\n"
        "assert callable(build) and unprompt.build is build and IMAGES\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_build_and_evaluate_call_what_the_commands_call(tiny_run: Path) -> None:
    """A finished run: its bundle, and the scores that `unprompt eval` prints."""
    bundle = unprompt.build("scenes-tiny", output=tiny_run)
    assert bundle == tiny_run / "bundle"
    assert unprompt.load(bundle).index.manifest.ntotal > 0
    scores = {
        score.method: score for score in unprompt.evaluate("scenes-tiny", output=tiny_run).scores
    }
    with pytest.raises(unprompt.ConfigError, match="no section `train:`"):
        unprompt.train("scenes-tiny", output=tiny_run)
    assert 0.0 < scores["constant"].mean_cosine < scores["blend"].mean_cosine <= 1.0


def test_overrides_are_settings(tmp_path: Path) -> None:
    with pytest.raises(unprompt.ConfigError, match="corpus.count"):
        unprompt.build("scenes-tiny", output=tmp_path, overrides={"corpus.count": "many"})
    with pytest.raises(unprompt.ConfigError, match="name is not a section"):
        unprompt.build("scenes-tiny", output=tmp_path, overrides={"name.x": 3})
