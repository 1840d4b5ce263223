"""The results of a batch: parts that are kept while it runs, and files in every format."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from left_files import left_by_a_kill

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.metadata.written import Lora, WrittenPrompt
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.batch.formats import (
    FORMATS,
    describe_formats,
    find_format,
    submission_format,
)
from unprompt.inversion.batch.inputs import PictureInput
from unprompt.inversion.batch.parts import Part, ResultParts
from unprompt.inversion.batch.records import BatchRecord, decode_vector, encode_vector

VECTOR = np.array([0.6, 1e-9, -0.8], np.float32)
BUNDLE = {"index": "abc", "alpha": 0.5}


def record(name: str, failed: bool = False) -> BatchRecord:
    if failed:
        return BatchRecord(f"in/{name}.png", name, None, f'cannot read in/{name}.png, "cut"\n')
    candidates = tuple(
        Candidate(f"a fox, №{place}", 0.9 - place / 10, 0.8, 0.5, place, 10 * place)
        for place in range(2)
    )
    answer = Inversion(
        "a fox, №0", VECTOR, VECTOR, VECTOR, 0.25, candidates, candidates, expected_cosine=0.7,
        metadata_prompt=WrittenPrompt(
            "a fox", "dog", "AUTOMATIC1111", loras=(Lora("l", 0.5),), seed=2**64 - 1, size=(8, 9)
        ),
    )  # fmt: skip
    return BatchRecord(f"in/{name}.png", name, answer)


def write(output: Path, *records: BatchRecord) -> int:
    rows = [found.as_row() for found in records]
    return find_format(output).write(output, lambda: iter(rows))


def test_parquet(tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    assert write(output, record("a"), record("b", failed=True)) == 2
    table = pl.read_parquet(output)
    assert table.columns == [
        "image", "image_id", "status", "error_message", "prompt", "negative_prompt",
        "metadata_prompt", "expected_cosine", "outside", "world", "blank", "novelty", "score",
        "alpha", "metadata", "candidates", "neighbors", "vector",
    ]  # fmt: skip
    written = table["metadata"][0]
    assert (written["seed"], written["negative_prompt"], written["size"]) == (
        2**64 - 1,
        "dog",
        [8, 9],
    )
    assert written["loras"] == [{"name": "l", "weight": 0.5}] and table["metadata"][1] is None
    assert table.schema["vector"] == pl.Array(pl.Float32, 3)
    assert table["vector"][0].to_numpy().tobytes() == VECTOR.tobytes(), "exact"
    assert table["candidates"][0].to_list()[1] == {
        "prompt": "a fox, №1", "score": 0.8, "row_id": 10,
    }  # fmt: skip
    assert table["neighbors"][0].to_list()[0] == {
        "prompt": "a fox, №0", "similarity": 0.8, "weight": 0.5, "row_id": 0,
    }  # fmt: skip
    assert table.row(1)[:5] == ("in/b.png", "b", "failed", record("b", True).error_message, None)
    assert table["vector"][1] is None
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_csv(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert write(output, record("a"), record("b", failed=True)) == 2
    table = pl.read_csv(output)
    assert table.columns == [
        "image", "prompt", "metadata_prompt", "expected_cosine", "outside", "world", "blank",
        "score", "alpha", "negative_prompt", "status", "error_message",
    ]  # fmt: skip
    assert table.row(0)[:5] == ("in/a.png", "a fox, №0", "a fox", 0.7, False)
    assert table.row(0)[5:9] == (None, False, 0.9, 0.25)
    assert table.row(0)[10:] == ("success", None)
    assert table["error_message"][1] == record("b", True).error_message


def test_jsonl(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert write(output, record("a"), record("b", failed=True)) == 2
    first, second = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    assert (first["prompt"], first["score"]) == ("a fox, №0", 0.9)
    assert (first["metadata"]["seed"], second["metadata"]) == (2**64 - 1, None)
    np.testing.assert_array_equal(np.array(first["vector"], np.float32), VECTOR)
    assert (second["status"], second["vector"]) == ("failed", None)


@pytest.mark.parametrize("suffix", [known.suffix for known in FORMATS])
def test_no_rows_and_only_failures(tmp_path: Path, suffix: str) -> None:
    for records in ((), (record("a", failed=True),)):
        output = tmp_path / f"out{suffix}"
        assert write(output, *records) == len(records)
        assert output.is_file()


def test_a_submission_holds_every_picture(tmp_path: Path, content: Any, make_index: Any) -> None:
    """An unreadable picture has the mean target of the bundle; an unreadable folder has none."""
    make_index(tmp_path / "bundle" / "index", content([[1, 0], [0, 1]], [[1, 0, 0], [0, 1, 0]]))
    unread = replace(record("pictures", failed=True), image_id="")
    records = (record("a"), record("b", failed=True), unread, record("c"))
    rows = [one.as_row() for one in records]
    form = submission_format(tmp_path / "bundle")
    assert form.write(tmp_path / "out.csv", lambda: iter(rows)) == 3
    table = pl.read_csv(tmp_path / "out.csv")
    assert table["imgId_eId"].to_list() == [f"{name}_{n}" for name in "abc" for n in range(3)]
    values = table["val"].cast(pl.Float32).to_numpy().reshape(3, 3)
    assert values[[0, 2]].tobytes() == VECTOR.tobytes() * 2
    np.testing.assert_allclose(values[1], [0.5**0.5, 0.5**0.5, 0.0], atol=1e-6)


def test_vectors_survive_as_text_exactly() -> None:
    vector = np.array([np.pi, -0.0, 1e-38, 3e38], np.float32)
    assert decode_vector(encode_vector(vector)).tobytes() == vector.tobytes()


@pytest.mark.parametrize("name", ["out.txt", "out", "out.parquet.gz"])
def test_an_unknown_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"must end in one of \.parquet, \.csv, \.jsonl"):
        find_format(tmp_path / name)


def test_every_format_is_in_the_help() -> None:
    assert all(f"{known.suffix} holds {known.content}" in describe_formats() for known in FORMATS)


# --- parts


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ResultParts]:
    """The parts of a batch, two pictures each."""
    monkeypatch.setattr("unprompt.inversion.batch.parts.PART", 2)

    def make(names: str, **other: object) -> ResultParts:
        pictures = [PictureInput(f"in/{n}.png", Path(n), lambda: None) for n in names]  # type: ignore
        return ResultParts(tmp_path / "out.csv", {**BUNDLE, **other}, pictures)

    return make


def finish(part: Part) -> None:
    part.write(record(picture.image_id).as_row() for picture in part.pictures)


def test_a_batch_goes_on_with_the_parts_that_are_missing(
    parts: Callable[..., ResultParts], tmp_path: Path
) -> None:
    batch = parts("abcde")
    assert list(batch.unfinished()) == [0, 1, 2]
    with pytest.raises(DamagedFileError, match=r"00000\.jsonl is missing; run the same command"):
        list(batch.rows())
    finish(batch.parts[1])
    left = left_by_a_kill(batch.parts[0].path)
    again = parts("abcde")
    assert list(again.unfinished()) == [0, 2], "whole parts alone count"
    for part in again.unfinished().values():
        finish(part)
    assert not left.exists()
    assert [row["image_id"] for row in again.rows()] == list("abcde")
    again.remove()
    again.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names,other", [("abc", {"alpha": 0.6}), ("abd", {}), ("abcd", {})])
def test_what_another_batch_left_is_refused(
    parts: Callable[..., ResultParts], names: str, other: dict[str, object]
) -> None:
    """Another bundle, other settings or other pictures; and what it left stays as it was."""
    batch = parts("abc")
    finish(batch.parts[1])
    with pytest.raises(ConfigError, match=r"00001\.jsonl was left by.*another bundle.*delete"):
        parts(names, **other).unfinished()
    assert list(parts("abc").unfinished()) == [0], "and left as it was"


def test_the_order_of_settings_is_not_another_batch(parts: Callable[..., ResultParts]) -> None:
    finish(parts("a").parts[0])
    pictures = parts("a").parts[0].pictures
    folder = parts("a").folder
    other = ResultParts(folder.with_suffix(""), dict(reversed(BUNDLE.items())), pictures)
    assert not other.unfinished()


def test_a_broken_line_is_named(parts: Callable[..., ResultParts]) -> None:
    batch = parts("ab")
    finish(batch.parts[0])
    path = batch.parts[0].path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1][:20] + "\n" + lines[2])
    with pytest.raises(DamagedFileError, match=r"00000\.jsonl is damaged.*delete it"):
        list(batch.rows())


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnpromptError, match=r"cannot write .*out\.csv"):
        Part(tmp_path / "file" / "out.csv.parts" / "00000.jsonl", "", []).write([])
