"""The competition's csv: one line a number, and the host's own file back byte for byte."""

from pathlib import Path

import numpy as np
import pytest

from unprompt.inversion.batch.submission import write_submission


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


def test_the_hosts_file_comes_back_byte_for_byte(tmp_path: Path, shared_data: Path) -> None:
    host = shared_data / "host" / "sample_submission.csv"
    vectors: dict[str, list[np.float32]] = {}
    for line in host.read_text().splitlines()[1:]:
        name, value = line.split(",")
        vectors.setdefault(name.rsplit("_", 1)[0], []).append(np.float32(value))
    path = tmp_path / "submission.csv"
    pairs = [(name, np.array(vector, np.float32)) for name, vector in vectors.items()]
    assert write_submission(path, pairs) == 7
    assert path.read_bytes().splitlines() == host.read_bytes().splitlines()
