"""A build that is killed (SIGKILL) in every stage and run again ends with the very same files."""

import subprocess
import sys
import time
from pathlib import Path

from unprompt.index.base.durable import digest_file

# Each is a file that its stage writes: when it appears, the build is killed.
KILL_POINTS = (
    "stages/corpus.json",
    "corpus/encoded/stats/stats_00000.json",
    "corpus/prompts.parquet",
    "stages/images.json",
    "images/00000.tar",
    "images/00001_stats.json",
    "images/00003.parquet",
    "stages/encoder.json",
    "bundle/encoder/tower.bin",
    "embeddings/image/img_emb/img_emb_00000.npy",
    "embeddings/image/metadata/metadata_00001.parquet",
    "embeddings/image/stats/stats_00003.json",
    "bundle/index/index.faiss",
    "bundle/index/rows.parquet",
    "bundle/head/head.safetensors",
    "bundle/blend.json",
)
LIMIT_SECONDS = 120


def start_build(run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "build", "scenes-tiny", "-o", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at(run: Path, point: str) -> bool:
    """Start the build and kill it as soon as `point` exists; False if it ended before."""
    process = start_build(run)
    give_up = time.monotonic() + LIMIT_SECONDS
    try:
        while process.poll() is None and time.monotonic() < give_up:
            if (run / point).exists():
                process.kill()
                process.wait()
                return True
            time.sleep(0.0005)
        return False
    finally:
        process.kill()
        process.communicate()


def files_of(run: Path) -> dict[str, Path]:
    return {p.relative_to(run).as_posix(): p for p in run.rglob("*") if p.is_file()}


def finished_shards(run: Path) -> dict[str, int]:
    """Modification times of the files of shards that are done."""
    done = {p.name[:5] for p in (run / "images").glob("*_stats.json")}
    return {p.name: p.stat().st_mtime_ns for p in (run / "images").glob("*") if p.name[:5] in done}


def test_a_killed_build_goes_on_to_the_same_files(tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    kept: dict[str, int] = {}
    killed = []
    for point in KILL_POINTS:
        if kill_at(run, point):
            killed.append(point)
        after = finished_shards(run)
        assert {name: after[name] for name in kept} == kept, f"touched after {point}"
        kept = after
    assert len(killed) >= len(KILL_POINTS) - 3, killed  # a file may be there and gone on too fast
    last = start_build(run)
    _, errors = last.communicate(timeout=LIMIT_SECONDS)
    assert last.returncode == 0, errors.decode()
    assert {name: finished_shards(run)[name] for name in kept} == kept

    wanted = {name: digest_file(path) for name, path in files_of(tiny_run).items()}
    got = {name: digest_file(path) for name, path in files_of(run).items() if path.suffix != ".tmp"}
    assert got == wanted


def test_a_rerun_of_a_finished_build_writes_nothing(tiny_run: Path) -> None:
    before = {name: path.stat().st_mtime_ns for name, path in files_of(tiny_run).items()}
    again = start_build(tiny_run)
    _, errors = again.communicate(timeout=LIMIT_SECONDS)
    assert again.returncode == 0, errors.decode()
    assert {name: path.stat().st_mtime_ns for name, path in files_of(tiny_run).items()} == before
