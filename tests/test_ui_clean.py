"""`unprompt clean`: its output and files, continuing after a kill, and bad input."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unprompt.build.corpus.duplicates.duplicate_rows import DUPLICATES
from unprompt.index.base.tables import check_schema

Cli = Callable[..., Any]
PROMPTS = [
    "a red fox in the snow, oil painting by my aunt",
    "A RED FOX in the snow; oil painting, by my aunt!",
    "a red fox in the snow, (oil painting:1.2) by my aunt --ar 16:9",
    "a lighthouse at dusk, watercolour, soft light, by the sea",
    "a lighthouse at dusk, watercolour, soft light, by the seas",
    "un perro en la playa con una pelota",
    "two robots play chess in a library",
]
BY_WORDS = ("--set", "duplicates.cosine=null", "--set", "duplicates.minhash=0.7")


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_files_and_report(cli: Cli, prompt_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "cleaned.parquet"
    settings = ("--set", "clean.language=english", *BY_WORDS)
    found = cli("clean", prompt_file, "-o", output, *settings, "--json")
    assert found.code == 0
    report = json.loads(found.out)
    assert report["kept"] == 3
    assert report["cleaned"]["drop"]["language"] == 1
    assert report["cleaned"]["rewrite"]["weights"] == report["cleaned"]["rewrite"]["flags"] == 1
    assert report["duplicates"] == {"identical": 1, "exact": 1, "minhash": 1}
    table = pl.read_parquet(output)
    assert table.columns == ["prompt_id", "prompt", "source", "group_id"]
    assert table["prompt"].to_list() == [PROMPTS[0], PROMPTS[3], PROMPTS[6]]
    dropped = check_schema(pl.read_parquet(tmp_path / "cleaned.duplicates.parquet"), DUPLICATES, "")
    by_id = dict(table.select("prompt_id", "prompt").iter_rows())
    named = [(row["stage"], by_id[row["kept_prompt_id"]]) for row in dropped.to_dicts()]
    assert named == [("exact", PROMPTS[0]), ("minhash", PROMPTS[3])]
    examples = pl.read_parquet(tmp_path / "cleaned.examples.parquet")
    assert set(examples["rule"]) == {"weights", "flags", "language"}
    assert not (tmp_path / "cleaned.work").exists()


def test_a_table_for_people_and_a_rerun_that_writes_nothing(
    cli: Cli, prompt_file: Path, tmp_path: Path
) -> None:
    asked = ("clean", prompt_file, "-o", tmp_path / "cleaned.parquet", *BY_WORDS)
    first = cli(*asked, "--examples", "1")
    assert first.code == 0 and "7 prompts read" in first.out
    assert "rewritten: weights" in first.out and str(tmp_path / "cleaned.parquet") in first.out
    before = contents(tmp_path)
    again = cli(*asked, "--examples", "1")
    assert again.code == 0 and again.out == first.out
    assert contents(tmp_path) == before


def test_by_vectors_and_folds(cli: Cli, prompt_file: Path, tmp_path: Path) -> None:
    """With the real prompt encoder."""
    output = tmp_path / "cleaned.parquet"
    settings = ("--set", "folds.count=3", "--set", "duplicates.cosine=0.9")
    found = cli("clean", prompt_file, "-o", output, *settings, "--json")
    report = json.loads(found.out)
    assert report["duplicates"]["cosine"] == 1, "the other lighthouse"
    assert sum(report["folds"]["prompts"].values()) == report["kept"] == 4
    assert sorted(pl.read_parquet(output)["fold"].to_list()) in ([0, 0, 1, 2], [0, 1, 1, 2])
    dropped = pl.read_parquet(tmp_path / "cleaned.duplicates.parquet").filter(stage="cosine")
    assert dropped["prompt"].to_list() == [PROMPTS[4]] and dropped["similarity"][0] >= 0.9


def test_other_settings_or_files_are_refused(cli: Cli, prompt_file: Path, tmp_path: Path) -> None:
    asked = ("clean", prompt_file, "-o", tmp_path / "cleaned.parquet")
    assert cli(*asked, *BY_WORDS).code == 0
    other = cli(*asked, *BY_WORDS, "--set", "clean.weights=false")
    assert other.code == 1 and "other settings" in other.err and "--overwrite" in other.err
    prompt_file.write_text("another prompt of three words\n")
    assert "of other files" in cli(*asked, *BY_WORDS).err
    assert cli(*asked, *BY_WORDS, "--overwrite").code == 0
    assert pl.read_parquet(tmp_path / "cleaned.parquet").height == 1


def test_a_killed_run_continues(tmp_path: Path) -> None:
    """SIGKILL between two files; finished shards are not written again."""
    files = [tmp_path / f"{number}.parquet" for number in range(2)]
    for number, path in enumerate(files):
        rows = [f"prompt {number} of {row}, (bold:1.1)" for row in range(100_000)]
        pl.DataFrame({"prompt": rows}).write_parquet(path)
    output, work = tmp_path / "cleaned.parquet", tmp_path / "cleaned.work"
    settings = ["--set", "duplicates.cosine=null", "--set", "duplicates.minhash=null"]
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "clean", *map(str, files)]
    command += ["-o", str(output), *settings]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    marker, give_up = work / "rows" / "00000_stats.json", time.monotonic() + 120
    while process.poll() is None and not marker.exists() and time.monotonic() < give_up:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert marker.exists() and not output.exists()
    finished = {path: path.stat().st_mtime_ns for path in (work / "rows").glob("00000*")}
    other = subprocess.run([*command, "--set", "clean.urls=drop"], capture_output=True, text=True)
    assert other.returncode == 1 and "clean.urls was 'strip', is 'drop'" in other.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    report = json.loads((tmp_path / "cleaned.report.json").read_text())
    assert report["cleaned"]["read"] == report["kept"] == 200_000
    assert not work.exists() and not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt", "-o", "a.parquet"], "there is no prompt file missing.txt"),
        ([".", "-o", "a.parquet"], "wanted a prompt file"),
        (["prompts.txt", "-o", "a.csv"], "--output must end in .parquet"),
        (["prompts.txt", "-o", "a.parquet", "--set", "clean.tidy=1"], "clean.tidy"),
        (["prompts.txt", "-o", "a.parquet", "--set", "clean.preset=tidy"], "light, stable-diff"),
        (["prompts.txt", "-o", "a.parquet", "--set", "clean.artists"], "--set takes name=value"),
        (["empty.txt", "-o", "a.parquet"], "empty"),
    ],
)
def test_bad_input(
    cli: Cli, prompt_file: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prompt_file.parent)
    Path("empty.txt").touch()
    found = cli("clean", *arguments)
    assert found.code == 1 and message in found.err
    assert not Path("a.parquet").exists()


def test_every_row_may_be_dropped(cli: Cli, prompt_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "none.parquet"
    found = cli("clean", prompt_file, "-o", output, "--set", "clean.min_words=99", "--json")
    assert found.code == 0 and json.loads(found.out)["kept"] == 0
    assert pl.read_parquet(output).height == 0


def test_help_has_examples(cli: Cli) -> None:
    found = cli("clean", "--help")
    assert found.code == 0 and "unprompt clean prompts.csv -o cleaned.parquet" in found.out
