"""The prompt that a generator wrote into the file: read from each kind, absent where it is not."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.index.images.tars import tar_members
from unprompt.inversion.batch.inputs import find_pictures
from unprompt.inversion.batch.run import invert_pictures
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.metadata.picture_metadata import read_metadata
from unprompt.inversion.query import Query

PROMPT = "a red fox, (masterpiece:1.2)"
PARAMETERS = (
    f"{PROMPT}\nNegative prompt: blurry, low quality\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x64, Model: sd2"
)
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 1, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal",
        "denoise": 1.0, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
        "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd2.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": PROMPT, "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}  # fmt: skip
WORKFLOW = {"links": [
    [1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "CONDITIONING"], [3, 7, 0, 3, 2, "CONDITIONING"],
    [4, 5, 0, 3, 3, "LATENT"], [5, 4, 1, 6, 0, "CLIP"], [6, 4, 1, 7, 0, "CLIP"],
    [7, 3, 0, 9, 0, "IMAGE"],
]}  # fmt: skip


def with_text(path: Path, **chunks: str) -> Path:
    info = PngInfo()
    for name, value in chunks.items():
        info.add_text(name, value)
    Image.new("RGB", (64, 64), "teal").save(path, pnginfo=info)
    return path


def test_automatic1111_png(tmp_path: Path) -> None:
    found = read_metadata(with_text(tmp_path / "a.png", parameters=PARAMETERS))
    assert found is not None
    assert (found.prompt, found.negative_prompt) == (PROMPT, "blurry, low quality")
    assert found.generator == "AUTOMATIC1111"


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_automatic1111_in_exif(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (64, 64), "teal").save(path, exif=exif.tobytes())
    found = read_metadata(path)
    assert found is not None and found.prompt == PROMPT


def test_comfyui(tmp_path: Path) -> None:
    chunks = {"prompt": json.dumps(COMFY), "workflow": json.dumps(WORKFLOW)}
    found = read_metadata(with_text(tmp_path / "a.png", **chunks))
    assert found is not None and found.prompt == PROMPT and found.generator == "ComfyUI"


def test_novelai(tmp_path: Path) -> None:
    comment = {"prompt": PROMPT, "uc": "blurry", "steps": 28, "sampler": "k_euler", "seed": 1,
               "scale": 11.0}  # fmt: skip
    chunks = {"Title": "AI generated image", "Description": PROMPT, "Software": "NovelAI",
              "Source": "Stable Diffusion", "Comment": json.dumps(comment)}  # fmt: skip
    found = read_metadata(with_text(tmp_path / "a.png", **chunks))
    assert found is not None and found.prompt == PROMPT and found.generator == "NovelAI"


@pytest.mark.parametrize("chunks", [
    {}, {"parameters": ""}, {"prompt": "{not json"}, {"prompt": "[1, 2]", "workflow": "null"},
    {"parameters": "x" * 50_000}, {"invokeai_metadata": "7"}, {"Comment": "{}", "Software": "x"},
])  # fmt: skip
def test_nothing_to_understand(tmp_path: Path, chunks: dict[str, str]) -> None:
    assert read_metadata(with_text(tmp_path / "a.png", **chunks)) is None


def test_no_picture_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    assert read_metadata(tmp_path / "a.png") is None
    assert read_metadata(b"") is None and read_metadata(tmp_path / "missing.png") is None


def test_batch_reports_it_unless_told_not_to(tiny_run: Path, tmp_path: Path) -> None:
    """From files and from tars; the vector is that of the picture either way."""
    import tarfile

    with_text(tmp_path / "a.png", parameters=PARAMETERS)
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.add(tmp_path / "a.png", "a.png")
    assert len(list(tar_members(tmp_path / "b.tar"))) == 1
    inverter = Inverter.load(tiny_run / "bundle")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.tar")]
    told = [r.inversion for r in invert_pictures(inverter, find_pictures(paths), Query(2))]
    ignored = invert_pictures(inverter, find_pictures(paths), Query(2, metadata=False))
    for answer, other in zip(told, ignored, strict=True):
        assert answer and answer.metadata_prompt and answer.metadata_prompt.prompt == PROMPT
        assert other.inversion and other.inversion.metadata_prompt is None
        assert (answer.vector == other.inversion.vector).all()


def test_threads_do_not_exchange_prompts() -> None:
    """Every picture gets its own prompt, and one without metadata gets none."""

    def jpeg(number: int | None) -> bytes:
        exif = Image.Exif()
        if number is not None:
            comment = PARAMETERS.replace(PROMPT, f"fox {number}")
            exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + comment.encode("utf-16-be")
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "teal").save(buffer, "JPEG", exif=exif)
        return buffer.getvalue()

    numbers = [place // 2 if place % 2 else None for place in range(100)]
    files = [jpeg(number) for number in numbers]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_metadata, files * 3))
    prompts = [written and written.prompt for written in found]
    assert prompts == [None if n is None else f"fox {n}" for n in numbers] * 3
