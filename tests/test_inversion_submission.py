"""The competition's csv as it is written: ids by any name, and the host's file byte for byte."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.batch.scored_submission import read_submission
from unprompt.inversion.batch.submission import check_ids, mean_answer, write_submission
from unprompt.inversion.inverter import STARTER

NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)


def test_lines_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    vectors = [("fox", np.array([0.1, -1.0])), ("owl", np.array([0.0, 1 / 3], np.float32))]
    assert write_submission(path, iter(vectors)) == 2
    assert path.read_bytes() == (
        b"imgId_eId,val\nfox_0,0.1\nfox_1,-1.0\nowl_0,0.0\nowl_1,0.33333334\n"
    )


def test_no_images(tmp_path: Path) -> None:
    assert write_submission(tmp_path / "submission.csv", []) == 0
    assert (tmp_path / "submission.csv").read_text() == "imgId_eId,val\n"


def test_a_failure_leaves_no_half_file(tmp_path: Path) -> None:
    def vectors() -> object:
        yield "fox", np.zeros(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_submission(tmp_path / "submission.csv", vectors())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_numbers_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    vector = np.random.default_rng(0).normal(scale=0.05, size=384).astype(np.float32)
    vector[:2] = [1e-9, -1e-5]
    write_submission(path, [("fox", vector)])
    read = [np.float32(line.split(",")[1]) for line in path.read_text().splitlines()[1:]]
    assert np.array(read, np.float32).tobytes() == vector.tobytes()


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_ids_of_any_name_come_back(tmp_path_factory: Any, names: list[str]) -> None:
    """As Python's csv reads them, and as the evaluation does."""
    path = tmp_path_factory.mktemp("names") / "submission.csv"
    vectors = [(name, np.array([place, 0.5], np.float32)) for place, name in enumerate(names)]
    write_submission(path, vectors)
    with path.open(encoding="utf-8", newline="") as file:
        ids = [row[0] for row in csv.reader(file)][1:]
    assert ids == [f"{name}_{place}" for name in names for place in range(2)]
    images, found = read_submission(path)
    assert images == names
    np.testing.assert_array_equal(found, [vector for _, vector in vectors])


def test_an_unreadable_image_takes_the_vector_of_the_fill(tmp_path: Path) -> None:
    path, made = tmp_path / "submission.csv", []

    def fill() -> np.ndarray:
        made.append(1)
        return np.array([0.6, 0.8])

    vectors = [("a", None), ("b", np.array([1.0, 0.0])), ("c", None)]
    assert write_submission(path, iter(vectors), fill) == 3
    assert path.read_text().splitlines()[5:] == ["c_0,0.6", "c_1,0.8"] and len(made) == 1
    assert write_submission(path, iter(vectors)) == 1


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        ([("x", np.zeros(2)), ("x", np.ones(2))], "two images of a submission have the id 'x'"),
        ([("x", np.array([0.0, np.nan]))], "'x' is not finite"),
        ([("x", np.array([0.0, np.inf]))], "'x' is not finite"),
    ],
)
def test_what_no_submission_may_hold(tmp_path: Path, vectors: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        write_submission(tmp_path / "submission.csv", vectors)
    assert not list(tmp_path.iterdir())


def test_pictures_of_one_id_are_refused_before_the_work() -> None:
    check_ids([("x", "a/x.png"), ("y", "a/y.png"), ("", "locked/"), ("", "bad.tar")])
    found = [("x", "a/x.jpg"), ("y", "a/y.png"), ("x", "b/x.png"), ("y", "a/y.png")]
    with pytest.raises(ConfigError, match=r"a/x\.jpg and b/x\.png have the same id 'x'.*1 more"):
        check_ids(found)


def test_the_mean_answer_of_several_worlds_has_unit_length() -> None:
    found = mean_answer(STARTER)
    assert found.shape == (384,) and np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)


def test_the_hosts_file_comes_back_byte_for_byte(tmp_path: Path, shared_data: Path) -> None:
    host, path = shared_data / "host" / "sample_submission.csv", tmp_path / "submission.csv"
    images, vectors = read_submission(host, 384)
    assert write_submission(path, zip(images, vectors, strict=True)) == 7
    assert path.read_bytes().splitlines() == host.read_bytes().splitlines()
