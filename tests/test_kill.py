"""A build that dies at any rename, or is killed, and is run again ends with the very same files."""

import filecmp
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unprompt.index.base import durable
from unprompt.index.base.durable import digest_file
from unprompt.index.engines.engine import EngineConfig
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config

pytestmark = pytest.mark.slow

SMALL = (
    "corpus.count=60",
    "corpus.validation=10",
    "corpus.test=10",
    "render.size_px=64",
    "render.images_per_shard=30",
    "encoder.image_size=64",
    "encoder.output=embedding",
    "index.whiten=0",
    "fit.neighbors=[5]",
    "fit.temperatures=[0.1]",
    "fit.powers=[]",
    "fit.penalties=[]",
    "fit.phrases=0",
    "fallback=null",
)
ALONE = EngineConfig(workers=1)  # every rename happens in this process
KILL_POINTS = {
    "images/00001_stats.json": signal.SIGTERM,
    "bundle/encoder/tower.bin": signal.SIGKILL,
}
LIMIT_SECONDS, MOST_DEATHS = 180, 300


class Died(BaseException):
    """Ends a build as a kill does: no handler of errors catches it."""


def files_of(run: Path) -> dict[str, Path]:
    """All files of a run by name, without those that a dead writer left unfinished."""
    found = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if path.suffix != ".tmp"}


def digests(run: Path) -> dict[str, str]:
    return {name: digest_file(path) for name, path in files_of(run).items()}


def finished_shards(run: Path) -> dict[str, int]:
    """Modification times of the files of image shards that are done."""
    done = {path.name[:5] for path in (run / "images").glob("*_stats.json")}
    return {p.name: p.stat().st_mtime_ns for p in (run / "images").glob("*") if p.name[:5] in done}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of a build that nothing stops."""
    run = tmp_path_factory.mktemp("whole") / "run"
    build_run(run, load_config("scenes-tiny", SMALL), engine=ALONE)
    return digests(run)


def dies(run: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Build until one file of `run` is new or changed, and die before the next; False: it ended.

    Temporary files stay where they are, as a kill leaves them.
    """
    replace, changed = os.replace, False

    def replace_or_die(source: Path, target: Path) -> None:
        nonlocal changed
        path = Path(target)
        if run in path.parents and not (path.is_file() and filecmp.cmp(source, path, False)):
            if changed:
                raise Died
            changed = True
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_or_die)
        patch.setattr(durable, "_remove_quietly", lambda path: None)
        try:
            build_run(run, load_config("scenes-tiny", SMALL), engine=ALONE)
        except Died:
            return True
    return False


def test_a_build_that_dies_before_every_rename_ends_with_the_same_files(
    whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, deaths = tmp_path / "run", 0
    seen: set[str] = set()
    shards: dict[str, int] = {}
    while dies(run, monkeypatch):
        deaths += 1
        assert deaths < MOST_DEATHS, f"no progress after {sorted(seen)}"
        found, done = set(files_of(run)), finished_shards(run)
        assert len(found - seen) <= 1, "one file at a time"
        assert {name: done[name] for name in shards} == shards, "a finished shard was touched"
        seen, shards = found, done
    assert deaths >= len(whole) - 1
    assert digests(run) == whole


def start_build(run: Path) -> subprocess.Popen[bytes]:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [sys.executable, "-m", "unprompt", "build", "scenes-tiny", "-o", str(run), *settings]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at(run: Path, point: str, number: signal.Signals) -> None:
    """Start the build and send it the signal as soon as the file `point` exists."""
    process = start_build(run)
    give_up = time.monotonic() + LIMIT_SECONDS
    try:
        while process.poll() is None and time.monotonic() < give_up:
            if (run / point).exists():
                return
            time.sleep(0.0005)
        raise AssertionError(f"the build ended without {point}")
    finally:
        process.send_signal(number)
        process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode in (-number, 128 + number)


def test_a_killed_build_goes_on_to_the_same_files(whole: dict[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for point, number in KILL_POINTS.items():
        kill_at(run, point, number)
    shards = finished_shards(run)
    last = start_build(run)
    _, errors = last.communicate(timeout=LIMIT_SECONDS)
    assert last.returncode == 0, errors.decode()
    assert {name: finished_shards(run)[name] for name in shards} == shards
    assert digests(run) == whole
