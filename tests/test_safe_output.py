"""Texts of strangers on their way out: terminals, JSON, CSV, tables."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.index.metadata.picture_metadata import WrittenPrompt
from unprompt.index.texts.json_text import json_text
from unprompt.index.texts.visible import VisibleStream, one_line, visible, whole_values
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.batch.csv_cells import harmless_cell
from unprompt.inversion.batch.formats import FORMATS, find_format
from unprompt.inversion.batch.records import BatchRecord
from unprompt.inversion.batch.run import printable

HIDDEN = "\x1b[2J\x07\x9b31m\u202egnp.\u2066\u200b\ufeff\u2028\r\x7f\U000e0041"
HOSTILE = f"=HYPERLINK(1)\n{HIDDEN}\udc9b\ud800 fox"


def record() -> BatchRecord:
    candidate = Candidate(HOSTILE, float("nan"), 0.5, 1.0, 0, 1)
    vector = np.eye(1, 384, dtype=np.float32)[0]
    answer = Inversion(
        HOSTILE, vector, vector, vector, 0.5, (candidate,), (candidate,),
        expected_cosine=float("nan"), metadata_prompt=WrittenPrompt(HOSTILE, HOSTILE, "me"),
    )  # fmt: skip
    return BatchRecord(HOSTILE, HOSTILE, answer, HOSTILE)


def is_plain(text: str) -> bool:
    """Whether a terminal shows every character of a text, and obeys none."""
    return visible(text) == text and text.encode("utf-8") is not None


def test_hidden_characters_are_written_out() -> None:
    assert visible("a fox\n\tüber 狐 🦊👩‍🚀") == "a fox\n\tüber 狐 🦊👩‍🚀"
    assert visible("\x1b[31m\u202e\udc9b") == "\\u001b[31m\\u202e\\udc9b"
    assert one_line("a\nb\tc\r") == "a\\nb\\tc\\u000d"
    assert all(is_plain(visible(chr(code))) for code in (*range(0x10000), *range(0xE0000, 0xE0100)))
    assert json.loads(f'"{visible(HIDDEN)}"') == HIDDEN


def test_json_is_valid_whatever_it_holds() -> None:
    value = {"a": [float("nan"), float("inf"), -1.5, HOSTILE], HIDDEN: (1, None)}
    text = json_text(value)
    assert is_plain(text) and "NaN" not in text and "Infinity" not in text
    found = json.loads(text)
    assert found == {"a": [None, None, -1.5, HOSTILE], HIDDEN: [1, None]}
    assert json.loads(json_text([1.5, "x"], indent=2)) == [1.5, "x"]


def test_streams_show_what_is_printed_and_leave_rich_its_colors() -> None:
    under = io.StringIO()
    stream: Any = VisibleStream(under)
    print("a\x1b[31m", "b\r", file=stream, flush=True)
    stream.writelines(["c\x9b\n"])
    assert under.getvalue() == "a\\u001b[31m b\\u000d\nc\\u009b\n"
    assert stream.rich_proxied_file is under and not stream.isatty()
    print("50%\r\x1b", end="", file=VisibleStream(under, returns=True))  # type: ignore[arg-type]
    assert under.getvalue().endswith("50%\r\\u001b")


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_takes_every_text(form: Any, tmp_path: Path) -> None:
    output = tmp_path / f"a{form.suffix}"
    assert form.write(output, lambda: iter([record().as_row()])) == 1
    if form.suffix == ".parquet":
        prompt = pl.read_parquet(output)["prompt"][0]
        assert prompt == HOSTILE.replace("\udc9b\ud800", "\ufffd\ufffd")
    else:
        assert is_plain(output.read_text("utf-8"))
    if form.suffix == ".jsonl":
        assert json.loads(output.read_text("utf-8"))["expected_cosine"] is None


def test_formulas_in_a_csv_are_only_texts(tmp_path: Path) -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", "\n", "-no humans"):
        assert harmless_cell(text) == f"'{text}"
    for text in ("a=1", "fox - red", "1girl", "(fox:1.2)", "'=1", ""):
        assert harmless_cell(text) == text
    assert harmless_cell("\r=1").startswith("\\u000d")
    cells = {}
    for raw in (False, True):
        output = tmp_path / f"{raw}.csv"
        find_format(output, raw).write(output, lambda: iter([record().as_row()]))
        with output.open(encoding="utf-8", newline="") as file:
            (cells[raw],) = csv.DictReader(file)
    assert cells[False]["prompt"].startswith("'=HYPERLINK(1)\n\\u001b")
    assert cells[True]["prompt"].startswith("=HYPERLINK(1)\n\x1b")
    assert cells[False]["alpha"] == "0.5" and cells[False]["world"] == ""


def test_values_and_names_lose_lone_surrogates() -> None:
    assert whole_values({"\ud800": ["\udfff", 1, None, ("x",)]}) == {
        "\ufffd": ["\ufffd", 1, None, ["x"]]
    }
    assert printable("a\udcff.png") == "a\\xff.png"
    assert printable("a\ud800.png") == "a\\ud800.png"


def test_the_command_prints_nothing_that_steers_a_terminal(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("parameters", f"fox {HIDDEN}\nSteps: 20, Sampler: Euler a, Seed: 1, Size: 8x8")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "\x1b]0;title\x07\u202ea.png", pnginfo=text)
    (tmp_path / "\x1b[2Jb\n.png").write_bytes(b"\x1b[31m" * 3)
    for options in ([], ["--json"]):
        command = [sys.executable, "-m", "unprompt", "invert", str(tmp_path), "--no-compose"]
        run = subprocess.run([*command, *options], capture_output=True, encoding="utf-8")
        assert run.returncode == 1 and "Traceback" not in run.stderr
        assert is_plain(run.stdout) and is_plain(run.stderr) and "\\u001b" in run.stdout
        if options:
            rows = [json.loads(line) for line in run.stdout.splitlines()]
            assert [row["status"] for row in rows] == ["failed", "success"]
        else:
            assert len(run.stderr.splitlines()) == 1
    run = subprocess.run(
        [sys.executable, "-m", "unprompt", "invert", "\x1b[2Jgone\n.png"],
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert run.returncode == 1 and is_plain(run.stderr) and len(run.stderr.splitlines()) == 1


def test_commands_print_json_by_one_function() -> None:
    ui = Path(__file__).parents[1] / "ui"
    places = [path for path in ui.rglob("*.py") if "json.dumps(" in path.read_text("utf-8")]
    assert {path.parent.name for path in places} <= {"page", "server"}
