"""Memory, answers and errors of `unprompt invert` over many files, also after a kill.

`python benchmarks/batch.py` -> JSON on stdout. It makes N mixed files (PNG, JPEG, WebP, a tar, and
bad ones), inverts them with the starter in a process of its own, and says what came of it; of the
smallest size also with kill -9 half-way and the same command again: the tables must be the same.
The peaks of all sizes show whether memory is flat.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import polars as pl
from PIL import Image

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.build.scenes.renderer import ScenesRenderer

FORMATS = ("png", "jpg", "webp")
BAD = 20
WHOLE = "whole.parquet"
DISTINCT = 250  # drawings; more files are copies of them under other names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000], help="files")
    parser.add_argument("--compose-up-to", type=int, default=1000, help="larger runs: vectors only")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for count in sorted(asked.sizes):
            folder = Path(name) / str(count)
            make_files(folder, count)
            options = [] if count <= asked.compose_up_to else ["--no-compose"]
            found = measure(folder, count, options)
            if count == min(asked.sizes):
                found |= measure_kill(folder, count, options)
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


def make_files(folder: Path, count: int) -> None:
    """Pictures of the scenes world in three formats, a fifth of them in a tar, 20 of them bad."""
    renderer = ScenesRenderer(256)
    prompts = sample_prompts(min(DISTINCT, count), 4711)
    drawn = [Image.fromarray(renderer.render([p], [n])[0]) for n, p in enumerate(prompts)]
    (folder / "files").mkdir(parents=True)
    (folder / "packed").mkdir()
    for number in range(count - BAD):
        place = folder / ("packed" if number % 5 == 0 else "files")
        path = place / f"{number:05d}.{FORMATS[number % 3]}"
        drawn[number % len(drawn)].save(path)
    for number in range(BAD):
        bad = folder / "files" / f"{number * (count // BAD):05d}-bad.png"
        bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(number))
    with tarfile.open(folder / "packed.tar", "w") as tar:
        for path in sorted((folder / "packed").iterdir()):
            tar.add(path, path.name)
    shutil.rmtree(folder / "packed")


def measure(folder: Path, count: int, options: list[str]) -> dict[str, object]:
    """One run to the end."""
    whole = folder / WHOLE
    start = time.perf_counter()
    process = invert(folder, whole, options)
    _, _, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    table = pl.read_parquet(whole)
    return {
        "files": count,
        "composed": not options,
        "answers": table.filter(pl.col("status") == "success").height,
        "errors": table.filter(pl.col("status") == "failed").height,
        "peak_mb": round(usage.ru_maxrss / 1024),
        "images_per_second": round(count / seconds, 1),
        "load_average": os.getloadavg()[0],
    }


def measure_kill(folder: Path, count: int, options: list[str]) -> dict[str, object]:
    """A run that is killed when half of its answers are written, and the same command again."""
    killed = folder / "killed.parquet"
    parts = killed.with_name(killed.name + ".parts")
    half = invert(folder, killed, options)
    while half.poll() is None and lines(parts) < count // 2:
        time.sleep(0.1)
    half.kill()
    half.wait()
    kept = lines(parts)
    invert(folder, killed, options).wait()
    same = pl.read_parquet(folder / WHOLE).equals(pl.read_parquet(killed))
    return {"killed_after": kept, "same_table_after_kill": same}


def invert(folder: Path, output: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """The command of a user."""
    command = [sys.executable, "-m", "unprompt.ui.cli.main", "invert"]
    paths = [str(folder / "files"), str(folder / "packed.tar")]
    return subprocess.Popen(
        [*command, *paths, "--output", str(output), *options], stderr=subprocess.DEVNULL
    )


def lines(parts: Path) -> int:
    """Answers that are on disk: the lines of all parts without their headers."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in parts.glob("*.jsonl"))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
