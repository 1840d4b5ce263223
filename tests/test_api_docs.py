"""docs/api.md: its Python blocks run, in order, in a folder with a few pictures and a run."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
PARAMETERS = (
    "a red fox\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x64, Model: sd2"
)
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_page_has_a_snippet_per_task() -> None:
    headings = re.findall(r"^## \d+\. ", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(headings) == len(BLOCKS) == 10


def test_every_snippet_runs(
    tiny_run: Path,
    tiny_pictures: list[Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = PngInfo()
    text.add_text("parameters", PARAMETERS)
    tiny_pictures[0].save(tmp_path / "picture.png", pnginfo=text)
    (tmp_path / "renders").mkdir()
    for place, picture in enumerate(tiny_pictures[1:4]):
        picture.save(tmp_path / "renders" / f"{place}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    shown = capsys.readouterr().out
    assert "(384,)" in shown and "AUTOMATIC1111 a red fox blurry" in shown
    assert "missing.png" in shown and "notes.txt" in shown
    assert "best quality" in shown and "blend" in shown
    assert Path(shown.splitlines()[-1]) == Path("runs/tiny/train/export")
