"""Files that are whole or absent: a failed write leaves what was there before."""

import errno
import json
import os
from pathlib import Path

import pytest
from left_files import NOBODY, left_by_a_kill

from unprompt.index.base.durable import (
    digest_bytes,
    digest_file,
    digest_json,
    read_json,
    stable_id,
    write_atomically,
    write_error,
    write_json,
)
from unprompt.index.base.errors import DamagedFileError, UnpromptError
from unprompt.index.base.processes.temporary import own_host


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


def test_errors_of_what_is_read_are_not_about_the_output(tmp_path: Path) -> None:
    for path, error in {
        tmp_path / "a": FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "input")),
        tmp_path / "b": OSError(errno.ENOMEM, "Cannot allocate memory"),
        tmp_path / "c": ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    }.items():
        with pytest.raises(type(error)) as caught, write_atomically(path):
            raise error
        assert caught.value is error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "error,advice",
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "choose another output folder"),
        (RuntimeError("write error: 12 != 500 (No space left on device)"), "free some space"),
        (RuntimeError("database or disk is full"), "free some space"),
        (RuntimeError("who knows"), "choose another output folder"),
    ],
)
def test_errors_of_the_output_say_what_to_do(tmp_path: Path, error: Exception, advice: str) -> None:
    with pytest.raises(UnpromptError, match=rf"cannot write .*x\.csv: .*{advice}") as caught:
        with write_atomically(tmp_path / "x.csv") as temporary:
            raise error if isinstance(error, OSError) else write_error(error, temporary)
    assert "\n" not in str(caught.value)


def test_two_writers_of_one_file_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 240 + ".csv")
    with write_atomically(path) as first, write_atomically(path) as second:
        assert first != second and first.parent == second.parent == tmp_path
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first", "the one that ended last"
    assert os.listdir(tmp_path) == [path.name]


def test_what_dead_writers_left_goes_with_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "a[1].csv"
    dead = left_by_a_kill(path)
    living = tmp_path / dead.name.replace(str(NOBODY), str(os.getppid()))
    elsewhere = tmp_path / dead.name.replace(own_host(), "0f0f0f")
    old = tmp_path / dead.name.replace(own_host(), "1e1e1e")
    for other in (living, elsewhere, old, tmp_path / "a[1].csv.tmp"):
        other.write_text("half")
    os.utime(old, (0, 0))
    write_json(path, 1)
    assert not dead.exists() and not old.exists()
    assert living.exists() and elsewhere.exists() and (tmp_path / "a[1].csv.tmp").exists()


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
