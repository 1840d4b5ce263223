"""The prompt that a generator wrote into the file: in answers and batches, or absent."""

from pathlib import Path

import pytest
from metadata_files import PARAMETERS, PROMPT
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.index.archives.tars import tar_members
from unprompt.index.metadata.picture_metadata import read_metadata
from unprompt.inversion.batch.inputs import find_pictures
from unprompt.inversion.batch.run import invert_pictures
from unprompt.inversion.inverter import Inverter
from unprompt.inversion.query import Query


def with_text(path: Path, **chunks: str) -> Path:
    info = PngInfo()
    for name, value in chunks.items():
        info.add_text(name, value)
    Image.new("RGB", (64, 64), "teal").save(path, pnginfo=info)
    return path


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
