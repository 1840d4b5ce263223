"""Ctrl-C and SIGTERM at many points of the commands: how soon they end, and what a rerun makes.

`python benchmarks/stops.py` -> JSON on stdout. Each command is stopped at its points one after
another, by the signal to its whole process group as a terminal sends it, or to the process alone.
The same command then ends, and its files must have the digests of a run that nothing stopped.
`--only NAME` runs one command, `--rows` sizes the index that is rebuilt and merged.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

LIMIT_S = 300  # until a point is reached
OUT = "out"
BUILD = """build scenes-tiny -o out/run --workers 2 --set corpus.count=60
--set corpus.validation=10 --set corpus.test=10 --set fallback=null
--set render.images_per_shard=20 --set render.size_px=256 --set fit.phrases=0""".split()
PICTURES = [*BUILD, "--stage", "corpus", "--stage", "images"]


class Point(NamedTuple):
    """When to stop a command: seconds from its start, a text on stderr, or a file, as a glob."""

    after: float | str
    number: signal.Signals = signal.SIGINT
    group: bool = True


@dataclass(frozen=True)
class Command:
    """A command, what it needs in the working folder, and where it is stopped."""

    arguments: Sequence[str]
    points: Sequence[Point]
    prepare: Callable[[Path, int], None] = lambda folder, rows: None
    compared: str = OUT  # the part of the folder whose digests must be equal


def make_index(folder: Path, rows: int, seed: int) -> None:
    """Write an index of random keys and targets."""
    from unprompt.index.base.tables import ROWS
    from unprompt.index.search.factory import IndexConfig
    from unprompt.index.store.segments import IndexContent
    from unprompt.index.store.write import write_index

    random = np.random.default_rng(seed)

    def unit(dim: int) -> np.ndarray:
        vectors = random.standard_normal((rows, dim), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    number = pl.Series("row", range(rows), dtype=pl.UInt32)
    table = pl.DataFrame({"row": number}).with_columns(
        row_id=pl.col("row").cast(pl.Int64) + seed * rows,
        image_id=pl.col("row").cast(pl.UInt64),
        prompt_id=pl.col("row").cast(pl.UInt64),
        prompt=pl.format("prompt {}", "row"),
        key=pl.format("{}", "row"),
        seed=pl.lit(0, pl.UInt64),
        generator=pl.lit("none"),
    )
    content = IndexContent(table.select(list(ROWS)), unit(256), unit(384), "keys", "targets")
    write_index(folder, content, content.keys[:0], IndexConfig(factory="SQ8", keep_keys=True))


def one_index(folder: Path, rows: int) -> None:
    make_index(folder / OUT / "a", rows, 1)


def two_indexes(folder: Path, rows: int) -> None:
    make_index(folder / "a", rows, 1)
    make_index(folder / "b", rows, 2)
    (folder / OUT).mkdir()


def pictures(folder: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(320):
        small = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        small.resize((256, 256)).save(folder / "pictures" / f"{number:03d}.jpg")


def prompts(folder: Path, rows: int) -> None:
    words = "red green old small fox house river castle dragon ship lamp tree".split()
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(words, 9)) + f", study {n}" for n in range(rows // 4)]
    (folder / "prompts.txt").write_text("\n".join(lines) + "\n")
    (folder / OUT).mkdir()


TRAIN = {
    "corpus": {"source": "scenes", "count": 120, "seed": 1, "validation": 20, "test": 10},
    "render": {"size_px": 128, "images_per_shard": 60},
    "encoder": {"model": "efficientnet-lite0", "output": "prediction"},
    "fallback": None,
    "train": {
        "tower": {"model": "efficientnet-lite0", "image_size": 96},
        "tuning": {"frozen": 0.9, "lora": 0.0},
        "stages": [{"epochs": 4, "learning_rate": 0.003}],
        "batch_size": 16,
        "checkpoint_steps": 2,
        "log_steps": 1,
    },
}


def training(folder: Path, rows: int) -> None:
    (folder / "config.yaml").write_text(json.dumps(TRAIN))


TERM = signal.SIGTERM
COMMANDS = {
    "build, pictures": Command(
        PICTURES,
        (
            Point(0.2),
            Point("*/run/corpus/*"),
            Point("*/run/images", TERM),
            Point("*/run/images/*_stats.json"),
            Point("*/run/images/00001_stats.json", TERM, group=False),
        ),
    ),
    "build": Command(
        BUILD,
        (
            Point("*/run/bundle/encoder/*"),
            Point("*/run/embeddings/image/*"),
            Point("*/run/bundle/index", TERM),
            Point("*/run/bundle/head", group=False),
        ),
    ),
    "index rebuild": Command(
        ["index", "rebuild", "out/a", "--set", "index.factory=HNSW32"],
        (Point(4.0), Point(8.0, TERM, group=False)),
        one_index,
    ),
    "index rebuild, lists": Command(
        ["index", "rebuild", "out/a", "--set", "index.factory=IVF256,PQ64"],
        (Point(4.0, group=False), Point(8.0)),
        one_index,
    ),
    "index merge": Command(
        ["index", "merge", "a", "b", "-o", "out/merged"],
        (Point("*/merged.unfinished"), Point("*/merged.unfinished/rows*", TERM)),
        two_indexes,
    ),
    "train head": Command(
        ["train", "head", "config.yaml", "-o", "out/run"],
        (
            Point("*/run/train"),
            Point("*/run/train/checkpoints/*"),
            Point("*/run/train/checkpoints/*4*", TERM, group=False),
        ),
        training,
        "out/run/train/export",
    ),
    "invert": Command(
        ["invert", "pictures", "-o", "out/table.parquet"],
        (
            Point(1.0),
            Point("*/table.parquet.parts"),
            Point("*/table.parquet.parts/00000.jsonl", TERM),
            Point("*/table.parquet.parts/00002.jsonl", group=False),
        ),
        pictures,
    ),
    "make kinds": Command(
        ["make", "kinds", "-o", "out/kinds", "-n", "60"], (Point("*/kinds/*.tar"),)
    ),
    "clean": Command(
        ["clean", "prompts.txt", "-o", "out/clean.parquet"],
        (Point("*/clean.work/*"), Point("*/clean.work/encoded/*", TERM)),
        prompts,
    ),
    "index prompts": Command(
        ["index", "prompts", "prompts.txt", "-o", "out/bank"],
        (Point("*/bank/vectors/*/*"), Point("*/bank/index", TERM)),
        prompts,
    ),
}


def digests(folder: Path) -> dict[str, str]:
    """Digests of all files, without those that only a stopped writer leaves."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".tmp", ".lock")
    }


def start(command: Command, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "errors.txt").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "unprompt", *command.arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def living(session: int) -> list[int]:
    """The processes of a session that run and are no zombies."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(place.parent.name))
    return found


def stop_at(command: Command, point: Point, folder: Path) -> dict[str, object]:
    """Stop the command at a point; says how long it and its workers took to end."""
    process, begun = start(command, folder), time.monotonic()

    def reached() -> bool:
        if isinstance(point.after, str):
            return any(folder.glob(point.after))
        return time.monotonic() - begun >= point.after

    while process.poll() is None and not reached() and time.monotonic() - begun < LIMIT_S:
        time.sleep(0.002)
    told: dict[str, object] = {"point": point.after, "signal": point.number.name}
    if process.poll() is not None:
        return {**told, "missed": True, "code": process.returncode}
    (os.killpg if point.group else os.kill)(process.pid, point.number)
    sent = time.monotonic()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    while living(process.pid) and time.monotonic() - sent < 30:
        time.sleep(0.01)
    lines = (folder / "errors.txt").read_text().splitlines()
    return {
        **told,
        "seconds": round(time.monotonic() - sent, 2),
        "code": process.returncode,
        "right": process.returncode == 128 + point.number and "stopped" in lines[-1],
        "last_line": lines[-1] if lines else "",
    }


def measure(command: Command, scratch: Path, rows: int) -> dict[str, object]:
    """Run the command whole, then stopped at its points; compare what they made."""
    whole, stopped = scratch / "whole", scratch / "stopped"
    whole.mkdir()
    command.prepare(whole, rows)
    shutil.copytree(whole, stopped)
    begun = time.monotonic()
    code = start(command, whole).wait()
    seconds = time.monotonic() - begun
    stops = [stop_at(command, point, stopped) for point in command.points]
    last = start(command, stopped).wait()
    wanted, found = digests(whole / command.compared), digests(stopped / command.compared)
    different = [name for name in {*wanted, *found} if wanted.get(name) != found.get(name)]
    return {
        "whole_seconds": round(seconds, 1),
        "codes": [code, last],
        "equal": bool(wanted) and not different,
        "different": sorted(different)[:5],
        "errors": (stopped / "errors.txt").read_text()[-300:] if last else "",
        "stops": stops,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=COMMANDS, action="append")
    parser.add_argument("--rows", type=int, default=20_000)
    asked = parser.parse_args()
    for name in asked.only or COMMANDS:
        with tempfile.TemporaryDirectory() as scratch:
            found = measure(COMMANDS[name], Path(scratch), asked.rows)
        print(json.dumps({"command": name, **found}), flush=True)


if __name__ == "__main__":
    main()
