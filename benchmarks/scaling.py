"""How the cost of an index grows with its rows, and that of reading embeddings with their files.

`python benchmarks/scaling.py --plot docs/scaling.png` -> JSON on stdout

The default index (IndexConfig()) is compared with FAISS' flat index of the same `manifold` vectors
of made_vectors.py; a smaller corpus is the first rows of the largest. All indexes are built once,
smallest first, then timed in interleaved rounds; results are medians. Recall is measured on queries
that tuned nothing, against an exact search in the space of the index. `growth_exponents` are
least-squares slopes of log(measure) over log(rows or files): 1 is linear, 0 does not grow. The
default index changes its kind between sizes, so exact scans and inverted lists have exponents of
their own. On a busy machine set OMP_NUM_THREADS=1: threads that wait for each other count as
processor time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from made_vectors import DIM, PART, Made, as_content, make_vectors

from unprompt.index.base.machine import describe_machine
from unprompt.index.search.factory import IndexConfig
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.search.recall import MAX_QUERIES, ground_truth
from unprompt.index.search.refine import KeyScores
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.write import write_index
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    read_embeddings,
    start_embeddings,
    write_part,
)
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.float16 import widen
from unprompt.index.vectors.transforms import transforms

K, ALONE = 50, 20  # neighbors; queries one by one, and gatherings, a round
GROWING = {  # what exponents are fitted to: processor time, which a busy machine moves less
    "build_cpu_seconds": "building, CPU seconds",
    "single_query_cpu_ms": "one query alone, CPU ms",
    "batch_cpu_ms_a_query": "a query in a batch of {queries}, CPU ms",
    "MB": "FAISS index, MB",
    "open_seconds": "opening, seconds",
    "searched_own_MB": "memory after a query, without mapped files, MB",
}
PLOTTED = tuple(GROWING)[:4]
Point = dict[str, Any]  # what was measured of one size
Search = Callable[[np.ndarray, int], Any]

OPEN = """
import json, sys, time
from pathlib import Path
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.faiss_library import load_faiss
load_faiss()
def resident():
    pages = [int(count) for count in Path('/proc/self/statm').read_text().split()]
    return pages[1] / 256, (pages[1] - pages[2]) / 256
before, start = resident(), time.perf_counter()
index = PromptIndex.load(Path(sys.argv[1]))
seconds, opened = time.perf_counter() - start, resident()
index.search(index.keys[:1], 50)
asked = resident()
print(json.dumps([seconds, opened[0] - before[0], asked[0] - before[0], asked[1] - before[1]]))
"""
MEASURES = {  # medians of the rounds; MB are resident, own ones without mapped files
    "alone": ("single_query_cpu_ms", "single_query_ms"),
    "batch": ("batch_cpu_ms_a_query", "batch_ms_a_query"),
    "gathered": ("gather_100_targets_cpu_ms", "gather_100_targets_ms"),
    "opened": ("open_seconds", "opened_MB", "searched_MB", "searched_own_MB"),
}


class Contender(NamedTuple):
    """One index of one size, built, and how it is searched."""

    facts: Point
    search: Search
    opened: PromptIndex | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [10_000, 30_000, 100_000, 300_000, 600_000, 1_500_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="two sizes or more")
    parser.add_argument("--queries", type=int, default=500, help="in a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--file-rows", type=int, default=100_000, help="in all the files")
    parser.add_argument("--plot", type=Path, help="a picture of the growth")
    asked = parser.parse_args()
    sizes, files = sorted(set(asked.rows)), sorted(set(asked.files))
    if min(len(sizes), len(files)) < 2:
        parser.error("--rows and --files want two sizes or more")
    threads = load_faiss().omp_get_max_threads()
    found = {"machine": describe_machine().cpu, "threads": threads, "dim": DIM, "k": K}
    with tempfile.TemporaryDirectory() as place:
        found |= compare(sizes, asked.queries, asked.rounds, Path(place))
        found["files"] = race_files(files, asked.file_rows, asked.rounds, Path(place))
    found["growth_exponents"] = exponents(found)
    found = json.loads(json.dumps(found), parse_float=lambda value: float(f"{float(value):.4g}"))
    print(json.dumps(found, indent=1))
    if asked.plot:
        plot(found, asked.plot)


def compare(sizes: Sequence[int], batch: int, rounds: int, place: Path) -> dict[str, Any]:
    """Both indexes of every size, built and raced."""
    made = make_vectors("manifold", sizes[-1], seed=1)
    queries = make_vectors("manifold", batch, seed=2).keys.astype(np.float32)
    held_out = make_vectors("manifold", MAX_QUERIES, seed=3).keys.astype(np.float32)
    sides: dict[str, list[Contender]] = {"ours": [], "flat": []}
    for number, rows in enumerate((sizes[0], *sizes)):
        part = Made(made.keys[:rows], made.targets[:rows])
        sides["flat"].append(build_flat(part.keys))
        sides["ours"].append(build_ours(part, held_out, queries, place / str(number)))
    sides = {name: side[1:] for name, side in sides.items()}  # the first paid for imports
    race([contender for side in sides.values() for contender in side], queries, rounds)
    return {"queries": batch} | {name: [c.facts for c in side] for name, side in sides.items()}


def build_flat(keys: np.ndarray) -> Contender:
    flat = load_faiss().IndexFlatIP(DIM)
    blocks = (keys[first : first + PART].astype(np.float32) for first in range(0, len(keys), PART))
    cpu, wall = clock(lambda: [flat.add(block) for block in blocks]) / 1e3
    facts = {"rows": len(keys), "index": "Flat", "recall": 1.0, "MB": flat.ntotal * DIM * 4 / 2**20}
    return Contender(facts | {"build_cpu_seconds": cpu, "build_seconds": wall}, flat.search)


def build_ours(made: Made, held_out: np.ndarray, queries: np.ndarray, folder: Path) -> Contender:
    """Built as `unprompt build` does, tuned on `held_out`, recall measured on `queries`."""
    cpu, wall = clock(write_index, folder, as_content(made), held_out, IndexConfig()) / 1e3
    index = PromptIndex.load(folder)
    manifest = index.manifest
    facts = {
        "rows": len(made.keys),
        "index": manifest.factory,
        "tried": {trial.factory: trial.recall for trial in manifest.tried},
        "effort": {name: value for name, value in vars(manifest.effort).items() if value},
        "recall": measure_recall(index, made.keys, queries),
        "build_cpu_seconds": cpu,
        "build_seconds": wall,
        "MB": manifest.files[manifest.vectors].size_bytes / 2**20,
    }
    print(json.dumps(facts), file=sys.stderr)
    return Contender(facts, index.search, index)


def measure_recall(index: PromptIndex, keys: np.ndarray, queries: np.ndarray) -> float:
    """Share of returned rows that score as high as the exact k-th, in the index' space."""
    truth = ground_truth(index.vectors, keys, queries, K)
    if truth is None:
        raise ValueError("recall wants queries, got none")
    rows = index.search(truth.queries, K).rows
    scores = KeyScores(keys, transforms(index.vectors))(truth.queries, rows)
    return float(np.mean(scores >= truth.kth_scores[:, None]))


def race(contenders: Sequence[Contender], queries: np.ndarray, rounds: int) -> None:
    """Queries one by one and in a batch, gathering and opening, into the facts of each."""
    generator = np.random.default_rng(4)
    spent: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for _ in range(rounds):
        for place, (_facts, search, opened) in enumerate(contenders):
            spent[place, "alone"] += [clock(search, query[None], K) for query in queries[:ALONE]]
            spent[place, "batch"].append(clock(search, queries, K) / len(queries))
            if opened is not None:
                wanted = generator.integers(len(opened.targets), size=(ALONE, 100))
                spent[place, "gathered"] += [clock(gather, opened, rows) for rows in wanted]
                spent[place, "opened"].append(open_afresh(opened.folder))
    for (place, name), runs in spent.items():
        medians = np.median(runs, axis=0).tolist()
        contenders[place].facts.update(zip(MEASURES[name], medians, strict=True))
    for contender in contenders:
        contender.facts["batch_queries_a_second"] = 1e3 / contender.facts["batch_ms_a_query"]


def gather(index: PromptIndex, rows: np.ndarray) -> np.ndarray:
    return widen(index.targets[rows])


def open_afresh(folder: Path) -> list[float]:
    """Seconds and resident memory of a process that opens the index and asks it once."""
    command = [sys.executable, "-c", OPEN, str(folder)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return list(json.loads(run.stdout))


def race_files(parts: Sequence[int], rows: int, rounds: int, place: Path) -> list[Point]:
    """The same vectors in so many parts: read with their metadata."""
    keys = make_vectors("manifold", rows, seed=1).keys
    for count in parts:
        write_embeddings(place / f"parts-{count}", keys, count)
    spent: dict[int, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for count in parts:
            spent[count].append(clock(read_embeddings, place / f"parts-{count}")[1] / 1e3)
    seconds = {count: statistics.median(runs) for count, runs in spent.items()}
    return [{"files": n, "seconds": s, "seconds_a_file": s / n} for n, s in seconds.items()]


def write_embeddings(folder: Path, keys: np.ndarray, parts: int) -> None:
    start_embeddings(folder, EmbeddingsInfo("made up", keys.shape[1]))
    for part, rows in enumerate(np.array_split(np.arange(len(keys)), parts)):
        values: dict[str, Any] = {name: rows for name in ("image_id", "prompt_id", "seed")}
        values["image_path"] = [f"{row:09d}" for row in rows]
        values["caption"] = [f"a prompt, number {row}" for row in rows]
        values |= {"split": "train", "generator": "made up", "status": "success"}
        table = pl.DataFrame(values | {"error_message": None}, schema_overrides=METADATA)
        write_part(folder, part, table.select(list(METADATA)), keys[rows], "image")


def clock(work: Callable[..., Any], *arguments: Any) -> np.ndarray:
    """Milliseconds of the processor and of the wall clock: (2,)."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    return np.array([time.process_time() - cpu, time.perf_counter() - wall]) * 1e3


def by_kind(found: dict[str, Any]) -> dict[str, list[Point]]:
    """The flat index, ours, and ours split into exact scans and inverted lists."""
    lists = [point for point in found["ours"] if parse_factory(point["index"]).lists]
    scans = [point for point in found["ours"] if point not in lists]
    return {"flat": found["flat"], "ours": found["ours"], "ours, scan": scans, "ours, lists": lists}


def exponents(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By contender and measure, where there are two sizes or more."""
    slopes = {
        side: {name: _slope(points, "rows", name) for name in GROWING if name in points[0]}
        for side, points in by_kind(found).items()
        if len(points) > 1
    }
    return slopes | {"files": {"seconds": _slope(found["files"], "files", "seconds")}}


def _slope(points: Sequence[Point], over: str, name: str) -> float:
    x, y = (np.log([point[key] for point in points]) for key in (over, name))
    return float(np.polyfit(x, y, 1)[0])


def plot(found: dict[str, Any], path: Path) -> None:
    """A panel a measure, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(9, 6.4), sharex=True, layout="constrained")
    styles = {"flat": "#b0b7c3", "ours, scan": "#9ecae1", "ours, lists": "#2b5c8a"}
    sizes = [point["rows"] for point in found["ours"]]
    for panel, name in zip(panels.flat, PLOTTED, strict=True):
        panel.loglog(sizes, [p[name] for p in found["ours"]], ":", color="#4c78a8", lw=1)
        for side, colour in styles.items():
            points, slopes = by_kind(found)[side], found["growth_exponents"].get(side)
            label = f"{side}: rows$^{{{slopes[name]:.2f}}}$" if slopes else side
            rows, values = ([point[key] for point in points] for key in ("rows", name))
            panel.loglog(rows, values, marker="o", color=colour, label=label)
        panel.set_xticks(sizes)
        panel.set_xticks([], minor=True)
        panel.xaxis.set_major_formatter(
            lambda x, _: f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k"
        )
        panel.set_title(GROWING[name].format(**found), fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
        low, high = panel.get_ylim()
        panel.set_ylim(top=high * (high / low) ** 0.25)  # room for the legend
        panel.legend(frameon=False, loc="upper left", fontsize=9)
    recall = min(point["recall"] for point in found["ours"])
    machine = f"{found['machine']}, threads: {found['threads']}"
    title = f"by rows of {DIM} numbers; recall@{K} {recall:.2f} or more; {machine}"
    figure.suptitle(title, fontsize=9)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
