"""The results of a batch: kept while it runs, taken up after a kill, written in three formats."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.inversion.answer import Candidate, Inversion
from unprompt.inversion.batch.formats import decode_vector, encode_vector
from unprompt.inversion.batch.results import ResultsLog, append_record
from unprompt.inversion.batch.run import BatchRecord
from unprompt.inversion.metadata.picture_metadata import WrittenPrompt

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
        metadata_prompt=WrittenPrompt("a fox", "", "AUTOMATIC1111"),
    )  # fmt: skip
    return BatchRecord(f"in/{name}.png", name, answer)


def write(log: ResultsLog, *records: BatchRecord) -> None:
    with log.open() as lines:
        for found in records:
            append_record(lines, found)


def test_parquet(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path / "out.parquet", BUNDLE)
    write(log, record("a"), record("b", failed=True))
    assert log.finish() == 2
    table = pl.read_parquet(log.output)
    assert table.columns == [
        "image", "image_id", "status", "error_message", "prompt", "negative_prompt",
        "metadata_prompt", "expected_cosine", "outside", "novelty", "score", "alpha", "candidates",
        "neighbors", "vector",
    ]  # fmt: skip
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
    log = ResultsLog(tmp_path / "out.csv", BUNDLE)
    write(log, record("a"), record("b", failed=True))
    log.finish()
    table = pl.read_csv(log.output)
    assert table.columns == [
        "image", "prompt", "metadata_prompt", "expected_cosine", "outside", "score", "alpha",
        "negative_prompt", "status", "error_message",
    ]  # fmt: skip
    assert table.row(0)[:7] == ("in/a.png", "a fox, №0", "a fox", 0.7, False, 0.9, 0.25)
    assert table.row(0)[8:] == ("success", None)
    assert table["error_message"][1] == record("b", True).error_message


def test_jsonl(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path / "out.jsonl", BUNDLE)
    write(log, record("a"), record("b", failed=True))
    log.finish()
    first, second = map(json.loads, log.output.read_text(encoding="utf-8").splitlines())
    assert (first["prompt"], first["score"]) == ("a fox, №0", 0.9)
    np.testing.assert_array_equal(np.array(first["vector"], np.float32), VECTOR)
    assert (second["status"], second["vector"]) == ("failed", None)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_no_rows_and_only_failures(tmp_path: Path, suffix: str) -> None:
    for records in ((), (record("a", failed=True),)):
        log = ResultsLog(tmp_path / f"out.{suffix}", BUNDLE)
        write(log, *records)
        assert log.finish() == len(records)
        assert log.output.is_file()


def test_a_killed_run_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path / "out.csv", BUNDLE)
    write(log, record("a"), record("b"))
    log.partial.write_bytes(log.partial.read_bytes()[:-30])
    again = ResultsLog(tmp_path / "out.csv", dict(reversed(BUNDLE.items())))
    assert again.done() == {"in/a.png"}
    assert not again.output.exists()
    write(again, record("b"), record("c", failed=True))
    assert again.done() == {"in/a.png", "in/b.png", "in/c.png"}
    assert again.finish() == 3
    assert pl.read_csv(again.output)["image"].to_list() == ["in/a.png", "in/b.png", "in/c.png"]


def test_what_another_bundle_left_is_refused(tmp_path: Path) -> None:
    write(ResultsLog(tmp_path / "out.csv", BUNDLE), record("a"))
    other = ResultsLog(tmp_path / "out.csv", {**BUNDLE, "alpha": 0.6})
    with pytest.raises(ConfigError, match=r"out\.csv\.partial.*another bundle.*delete the file"):
        other.done()
    assert ResultsLog(tmp_path / "out.csv", BUNDLE).done() == {"in/a.png"}, "and left as it was"


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path / "out.csv", BUNDLE)
    write(log, record("a"), record("b"))
    lines = log.partial.read_text().splitlines(keepends=True)
    log.partial.write_text(lines[0] + lines[1][:20] + "\n" + lines[2])
    with pytest.raises(DamagedFileError, match=r"out\.csv\.partial is damaged.*delete it"):
        log.done()


def test_vectors_for_a_submission(tmp_path: Path) -> None:
    log = ResultsLog(tmp_path / "out.jsonl", BUNDLE)
    write(log, record("a"), record("b", failed=True), record("c"))
    assert [(name, vector.tobytes()) for name, vector in log.vectors()] == [
        ("a", VECTOR.tobytes()),
        ("c", VECTOR.tobytes()),
    ]
    log.discard()
    assert not list(tmp_path.iterdir())


def test_vectors_survive_as_text_exactly() -> None:
    vector = np.array([np.pi, -0.0, 1e-38, 3e38], np.float32)
    assert decode_vector(encode_vector(vector)).tobytes() == vector.tobytes()


@pytest.mark.parametrize("name", ["out.txt", "out", "out.parquet.gz"])
def test_an_unknown_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"must end in one of \.parquet, \.csv, \.jsonl"):
        ResultsLog(tmp_path / name, BUNDLE)


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = ResultsLog(tmp_path / "file" / "out.csv", BUNDLE)
    with pytest.raises(UnpromptError, match=r"cannot write .*out\.csv\.partial"), log.open():
        pass
