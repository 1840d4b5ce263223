"""One writer of an output at a time: who comes second learns at once who is first."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unprompt.index.base.errors import OutputInUseError, UnpromptError
from unprompt.index.base.owner import owned, unchanged

HOLD = (
    "import sys; from pathlib import Path; from unprompt.index.base.owner import owned\n"
    "with owned(Path(sys.argv[1]), share=sys.argv[2] or None):\n"
    "    print('owned', flush=True); sys.stdin.read()\n"
)


def hold(output: Path, share: str = "") -> subprocess.Popen[str]:
    """A process that owns `output` until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output), share],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "owned\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


@pytest.mark.parametrize("name", ["table.csv", "ü" * 120])
def test_a_second_process_is_told_who_is_first(tmp_path: Path, name: str) -> None:
    output = tmp_path / "deep" / name
    first = hold(output)
    told = rf"is being written by the process {first.pid} since 20\d\d-"
    with pytest.raises(OutputInUseError, match=told), owned(output):
        pass
    (tmp_path / "link").symlink_to(output)
    with pytest.raises(OutputInUseError), owned(tmp_path / "other", tmp_path / "link"):
        pass
    with owned(tmp_path / "deep" / "another"):
        pass
    end(first)
    with owned(output):
        pass
    assert os.listdir(output.parent) == [], "no lock file stays"


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    output = tmp_path / "run"
    first = hold(output)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert os.listdir(tmp_path) == [".run.lock"]
    with owned(output):
        pass
    assert os.listdir(tmp_path) == []
    end(first)


def test_the_owner_may_own_it_again_and_another_thread_may_not(tmp_path: Path) -> None:
    output = tmp_path / "run"
    with owned(output):
        with owned(output, None):
            pass
        assert "another thread of this process" in in_another_thread(output)
    assert in_another_thread(output) == ""


def test_shares_own_an_output_together_and_each_its_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = hold(run, "0/2")
    with owned(run, share="1/2"):
        pass
    with pytest.raises(OutputInUseError), owned(run, share="0/2"):
        pass
    with pytest.raises(OutputInUseError, match=f"process {first.pid}"), owned(run):
        pass
    end(first)
    with owned(run):
        assert "another thread" in in_another_thread(run, "0/2")
    assert os.listdir(tmp_path) == []


def in_another_thread(output: Path, share: str | None = None) -> str:
    """What another thread of this process that wants the output is told; empty: it owned it."""
    told: list[str] = []

    def second() -> None:
        try:
            with owned(output, share=share):
                pass
        except OutputInUseError as error:
            told.append(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    return "".join(told)


def test_readers_keep_writers_out_and_not_each_other(tmp_path: Path) -> None:
    with unchanged(tmp_path / "index"), unchanged(tmp_path / "index"):
        with pytest.raises(OutputInUseError), owned(tmp_path / "index"):
            pass
    with owned(tmp_path / "index"):
        with pytest.raises(OutputInUseError), unchanged(tmp_path / "index"):
            pass
    assert os.listdir(tmp_path) == []


def test_a_child_does_not_keep_its_parents_output(tmp_path: Path) -> None:
    with owned(tmp_path / "run"):
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
    try:
        with owned(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    output = tmp_path / "file" / "run"
    with pytest.raises(UnpromptError, match=f"cannot write {output}: "), owned(output):
        pass
    (tmp_path / ".planted.lock").symlink_to(tmp_path / "file")
    with pytest.raises(UnpromptError, match="cannot write .*planted"), owned(tmp_path / "planted"):
        pass
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_read_only_parent_of_a_writable_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "mounted" / "run"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o555)
    with owned(folder):
        assert os.listdir(folder) == [".run.lock"]
    with pytest.raises(UnpromptError, match="cannot write .*Permission denied"):
        with owned(folder.parent / "new"):
            pass
    folder.parent.chmod(0o755)
