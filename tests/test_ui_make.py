"""The commands under `unprompt make`: help, usage errors, and what their output feeds."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.corpus import collect_prompts
from unprompt.ui.cli.make.make import make_app

COMMANDS = sorted(str(command.name) for command in make_app.registered_commands)


def test_there_is_a_command_a_method() -> None:
    assert COMMANDS == ["bank", "chain", "combine", "kinds", "llm", "mine", "modify", "terms"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(cli: Any, command: str) -> None:
    found = cli("make", command, "--help")
    assert found.code == 0 and found.err == ""
    assert "Example" in found.out and f"unprompt make {command} " in found.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["chain"],
        ["chain", "x.txt"],
        ["combine", "-o", "x.txt", "--count", "0"],
        ["modify", "x.txt", "-o", "y.txt"],
        ["llm", "-o", "x.txt"],
        ["mine", "x.txt"],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_with_2(cli: Any, arguments: list[str]) -> None:
    assert cli("make", *arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chain", "none.txt"], "there is no prompt file none.txt"),
        (["chain", __file__], "unknown suffix"),
        (["combine", "--terms", "none"], "holds no term lists"),
        (["mine", __file__, "--cosines", "none.csv"], "no file of cosines none.csv"),
        (
            ["modify", __file__, "--corpus", __file__, "--least", "3", "--most", "2"],
            "--least must be",
        ),
        (["llm", "--url", "nowhere", "--model", "m"], "--url must look like"),
        (["llm", "--answers", "none.txt"], "cannot read none.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_work_says_why(
    cli: Any, tmp_path: Path, arguments: list[str], said: str
) -> None:
    found = cli("make", *arguments, "-o", tmp_path / "x.parquet")
    assert found.code == 1 and said in found.err and found.out == ""
    assert not list(tmp_path.iterdir()), "nothing was begun"
    wrong = cli("make", "combine", "-o", tmp_path / "x.csv")
    assert wrong.code == 1 and ".parquet, .jsonl, .txt" in wrong.err


@pytest.mark.parametrize("name", ["made.parquet", "made.jsonl", "made.txt"])
def test_what_is_made_is_a_corpus(cli: Any, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    assert cli("make", "combine", "-o", output, "--count", 25).code == 0
    config = CorpusConfig(source="files", paths=(str(output),))
    prompts, report = collect_prompts(config, tmp_path / "cache")
    assert prompts.height == 25 == report["read"]
    marker = pl.read_json(tmp_path / "made.made.json")
    assert marker["prompts"].to_list() == [25]
