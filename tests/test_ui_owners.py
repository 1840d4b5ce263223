"""Two writers on each kind of output: the second learns who is first, and writes nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unprompt.index.base.owner import owned

PROMPTS = "a red fox\na green house\na small ship\n"


@contextmanager
def owned_elsewhere(output: Path) -> Iterator[None]:
    """Another thread of this process owns `output`, as another process would."""
    has_it, done = threading.Event(), threading.Event()

    def hold() -> None:
        with owned(output):
            has_it.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_it.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()


def refused(cli: Any, output: Path, *arguments: object) -> None:
    """The command is refused while another thread owns `output`."""
    with owned_elsewhere(output):
        before = sorted(output.parent.iterdir())
        found = cli(*arguments)
        assert sorted(output.parent.iterdir()) == before, "it has written something"
    assert found.code == 75, (found.code, found.err)
    assert f"{output} is being written by " in found.err and " since 20" in found.err
    assert found.err.count("\n") == 1 and "Traceback" not in found.err


@pytest.mark.parametrize(
    "name,arguments",
    [
        ("made.jsonl", ["make", "combine", "-n", "5"]),
        ("made.made.json", ["make", "combine", "-n", "5", "-o", "made.jsonl"]),
        ("made.parquet", ["make", "chain", "prompts.txt"]),
        ("made.parquet", ["make", "modify", "prompts.txt", "--corpus", "prompts.txt"]),
        ("terms", ["make", "terms", "prompts.txt"]),
        ("kinds", ["make", "kinds", "-n", "1"]),
        ("clean.parquet", ["clean", "prompts.txt"]),
        ("bank", ["index", "prompts", "prompts.txt"]),
        ("rates.json", ["bench", "search"]),
        ("run", ["build", "scenes-tiny"]),
        ("run", ["build", "scenes-tiny", "--stage", "images", "--shard", "0/2"]),
        ("table.csv", ["invert", "prompts.txt"]),
    ],
)
def test_a_second_writer_of(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text(PROMPTS)
    output = [] if "-o" in arguments else ["-o", name]
    refused(cli, tmp_path / name, *arguments, *output)


def test_a_second_writer_of_what_is_made_of_a_run(cli: Any, tiny_run: Path, tmp_path: Path) -> None:
    out, bundle = tmp_path / "out", tiny_run / "bundle"
    pictures = tiny_run / "images"
    for arguments in (
        ["index", "merge", bundle, bundle, "-o", out],
        ["index", "export", bundle, "-o", out],
        ["join", "-o", out, "--world", f"a={bundle}", "--pairs", f"a={pictures}"],
        ["eval", "--pairs", pictures, "-b", bundle, "-o", out],
        ["rerender", tiny_run, "000000000", "-o", out.with_suffix(".png")],
        ["invert", pictures / "00000.tar", "--submission", out.with_suffix(".csv"), "-b", bundle],
    ):
        output = next(Path(str(one)) for one in arguments if str(one).startswith(str(out)))
        refused(cli, output, *arguments)


def test_a_second_writer_of_an_index_in_a_run(cli: Any, tiny_run: Path) -> None:
    for place in (tiny_run, tiny_run / "bundle" / "index"):
        with owned_elsewhere(place):
            for arguments in (
                ["remove", "--row-id", "0"],
                ["rebuild"],
                ["add", tiny_run / "bundle"],
            ):
                found = cli("index", arguments[0], tiny_run, *arguments[1:])
                assert found.code == 75, (arguments, found.code, found.err)
    refused(cli, tiny_run, "tune", tiny_run)


def test_a_finished_run_has_no_owner(cli: Any, tiny_run: Path) -> None:
    with owned_elsewhere(tiny_run):
        found = cli("build", "scenes-tiny", "-o", tiny_run)
    assert found.code == 0, found.err
