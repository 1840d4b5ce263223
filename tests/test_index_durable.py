"""Files that are whole or absent: a failed write leaves what was there before."""

import json
import os
from pathlib import Path

import pytest

from unprompt.index.base.durable import (
    digest_bytes,
    digest_file,
    digest_json,
    read_json,
    stable_id,
    write_atomically,
    write_json,
)
from unprompt.index.base.errors import DamagedFileError, UnpromptError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as temporary:
        temporary.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["answer.txt"]


def test_a_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "answer.txt"
    for text in ("first", "second"):
        with write_atomically(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["answer.txt"]


def test_a_full_disk_is_an_error_that_helps(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    path = tmp_path / "answer.txt"
    with (
        pytest.raises(UnpromptError, match=r"answer\.txt: No space left.*free some space"),
        write_atomically(path) as temporary,
    ):
        temporary.symlink_to(full)
        temporary.write_text("x")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "answer.txt"
    with (
        pytest.raises(UnpromptError, match=f"cannot write {path}: .*another output folder"),
        write_atomically(path),
    ):
        pass


def test_json_there_and_back_sorted(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    write_json(path, {"b": [1, None], "a": "Ж"})
    assert read_json(path) == {"b": [1, None], "a": "Ж"}
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["a", "b"]


@pytest.mark.parametrize("text", [b"", b'{"a": 1', b"\xff\xfe"])
def test_broken_json_is_damage(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(text)
    with pytest.raises(DamagedFileError, match=r"settings\.json is not valid JSON"):
        read_json(path)


def test_missing_json_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"settings\.json is missing"):
        read_json(tmp_path / "settings.json")


def test_digests_and_ids_are_fixed_for_ever(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "empty").touch()
    assert digest_bytes(b"") == digest_file(tmp_path / "empty") == empty
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": "1"})
    # sha256("fox") begins with these 8 bytes; every index built so far depends on it
    assert stable_id("fox") == int(digest_bytes(b"fox")[:16], 16)
    assert stable_id("a", "bc") != stable_id("ab", "c")
