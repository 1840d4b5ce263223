"""What the page keeps on disk: uploads by visitor, results, leftovers, the folder itself."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from unprompt.ui.page.server import folder as folders
from unprompt.ui.page.server.limits import Limits
from unprompt.ui.page.server.refusal import Refusal
from unprompt.ui.page.server.uploads import Uploads

LIMITS = Limits(visitor_bytes=100, total_bytes=260)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    (tmp_path / "examples").mkdir()
    return Uploads(tmp_path, LIMITS, kept=tmp_path / "examples")


def upload(uploads: Uploads, visitor: str, name: str, size: int) -> Path:
    with uploads.arriving(visitor, size):
        path = uploads.folder / name / "a.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a" * size)
        uploads.add(visitor, path)
    return path


def test_older_uploads_of_a_visitor_make_way(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = upload(uploads, "a", "1", 60)
    with pytest.raises(Refusal):
        upload(uploads, "a", "2", 60)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    upload(uploads, "b", "1", 60)  # the same content is the same file
    second = upload(uploads, "a", "2", 60)
    assert first.exists() and second.exists(), "another visitor has it too"
    monkeypatch.setattr(time, "monotonic", lambda: now + 122)
    upload(uploads, "b", "3", 60)
    assert not first.exists() and not first.parent.exists()


def test_what_ends_early_is_deleted(uploads: Uploads) -> None:
    kept = upload(uploads, "a", "1", 10)
    with pytest.raises(ValueError), uploads.arriving("a", 10):
        with uploads.arriving("b", 10):
            (uploads.folder / "tmp_part").write_bytes(b"a")
        assert (uploads.folder / "tmp_part").exists(), "it may be that of the other upload"
        raise ValueError("the visitor has left")
    assert kept.exists() and not (uploads.folder / "tmp_part").exists()


def test_all_visitors_together_have_a_limit(uploads: Uploads) -> None:
    for visitor in ("a", "b"):
        upload(uploads, visitor, visitor, 100)
    with pytest.raises(Refusal) as refused:
        upload(uploads, "c", "c", 100)
    assert refused.value.status == 503
    with uploads.arriving("c", 40), pytest.raises(Refusal):
        upload(uploads, "d", "d", 40)
    assert upload(uploads, "d", "d", 15).exists()
    with pytest.raises(Refusal) as refused:
        upload(uploads, "e", "e", 101)
    assert refused.value.status == 413


def test_old_files_go_and_examples_stay(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = upload(uploads, "a", "1", 10)
    example, result = uploads.folder / "examples" / "a.png", uploads.folder / "tmpx" / "a.csv"
    left = uploads.folder / "tmp_part"  # of an upload that ended early
    result.parent.mkdir()
    for path in (example, result, left):
        path.write_bytes(b"a")
    uploads.sweep()
    assert all(path.exists() for path in (mine, example, result, left))
    for path in (mine, example, result, left, result.parent, mine.parent):
        os.utime(path, (1, 1))
    uploads.sweep()
    assert mine.exists() and example.exists() and not left.exists() and not result.exists()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LIMITS.kept_seconds + 1)
    uploads.sweep()
    assert [path.name for path in uploads.folder.iterdir()] == ["examples"]


def test_the_folder_goes_at_the_end_and_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / f"{folders.PREFIX}killed"
    (killed / "files").mkdir(parents=True)
    (killed / folders.LOCK).touch()
    (killed / "files" / "a.png").touch()
    foreign = tmp_path / f"{folders.PREFIX}foreign"
    foreign.mkdir()  # it has no lock: not of this program
    with folders.temporary_folder() as one:
        assert not killed.exists() and foreign.exists()
        assert one.parent.stat().st_mode & 0o077 == 0
        with folders.temporary_folder() as other:
            assert one.exists(), "the page that it belongs to runs"
            (other / "a.png").touch()
    assert list(tmp_path.iterdir()) == [foreign]
    shutil.rmtree(foreign)
