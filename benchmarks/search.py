"""Search at scale: flat, autofaiss's choice and ours: `python benchmarks/search.py --rows 100000`

Keys of 512 numbers, made up in two ways: `centres` (20,000 centres and noise: far neighbours are
nearly unrelated, the worst case) and `manifold` (a mixture in 24 dimensions bent into 512, more like
vectors of pictures). Everything is timed in one process, in interleaved rounds; the ratios to `flat`
are what counts. JSON to stdout. Targets come from the same hidden places as the keys.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.construct import IndexContent, write_index
from unprompt.index.encoders import to_unit_length
from unprompt.index.factory import IndexConfig, choose_index
from unprompt.index.faiss_library import load_faiss
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.tables import ROWS
from unprompt.inversion.knn import KnnConfig, estimate_from_neighbors

DIM, TARGET_DIM, K = 512, 384, 50
AUTOFAISS_BREADTH = 2573  # efSearch of autofaiss 2.18 for 100,000 keys, 4G and 10 ms
GRAPH_ROWS = 200_000  # above it a graph takes minutes and more to build
EXHAUSTIVE_QUERIES = 50
PART = 100_000  # keys made up at a time
Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]

OPEN = """
import json, sys, time
from pathlib import Path
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.faiss_library import load_faiss
load_faiss()
pages = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096
before, start = pages(), time.perf_counter()
index = PromptIndex.load(Path(sys.argv[1]))
print(json.dumps({
    'open_seconds': round(time.perf_counter() - start, 3),
    'index_MB': round((pages() - before) / 2**20, 1),
    'process_MB': round(pages() / 2**20, 1),
}))
"""


class Made(NamedTuple):
    """Vectors of one kind and what belongs to them."""

    keys: np.ndarray  # (n, DIM) float16
    targets: np.ndarray  # (n, TARGET_DIM) float16


class Contender(NamedTuple):
    """One index, built, and how it is searched."""

    facts: dict[str, Any]
    search: Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--kind", choices=("centres", "manifold", "both"), default="both")
    parser.add_argument("--queries", type=int, default=500, help="in a batch")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    kinds = ("centres", "manifold") if asked.kind == "both" else (asked.kind,)
    found = {kind: _compare(kind, asked) for kind in kinds}
    print(json.dumps({"rows": asked.rows, "dim": DIM, "k": K, **found}, indent=1))


def _compare(kind: str, asked: argparse.Namespace) -> dict[str, Any]:
    made = _make(kind, asked.rows, seed=1)
    queries = _make(kind, asked.queries, seed=2)
    held_out = _make(kind, 500, seed=3).keys.astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        contenders = _contenders(made, held_out, Path(place))
        _race(contenders, queries.keys.astype(np.float32), asked.rounds)
        ours = PromptIndex.load(Path(place) / "ours")
        return {
            **{name: contender.facts for name, contender in contenders.items()},
            "estimate": _estimate(ours, made, queries),
            "gather_100_targets_ms": _gather_ms(ours),
            "loaded": _loaded(Path(place) / "ours"),
        }


def _contenders(made: Made, held_out: np.ndarray, place: Path) -> dict[str, Contender]:
    faiss, rows = load_faiss(), len(made.keys)
    flat = faiss.IndexFlatIP(DIM)
    contenders = {"flat": _add("Flat", flat, made.keys)}
    if rows <= GRAPH_ROWS:
        graph = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efSearch = AUTOFAISS_BREADTH
        contenders["autofaiss"] = _add("HNSW32", graph, made.keys)
    wanted = {"ours": IndexConfig(whiten=0)}
    if rows <= GRAPH_ROWS:
        listed = next(
            choice.factory
            for choice in choose_index(rows, DIM, IndexConfig(whiten=0))
            if choice.factory.startswith("IVF")
        )
        wanted["ours, latency"] = IndexConfig(whiten=0, prefer="latency")
        wanted["ours, lists"] = IndexConfig(listed)
    for name, config in wanted.items():
        contenders[name] = _write(place / name, made, held_out, config)
    return contenders


def _add(name: str, vectors: Any, keys: np.ndarray) -> Contender:
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(keys), PART):
        vectors.add(keys[first : first + PART].astype(np.float32))
    facts = _built(name, start, cpu, load_faiss().serialize_index(vectors).size)
    return Contender(facts, vectors.search)


def _write(folder: Path, made: Made, held_out: np.ndarray, config: IndexConfig) -> Contender:
    count = len(made.keys)
    table = {name: np.arange(count) for name in ("row", "row_id", "image_id", "prompt_id")}
    rows = pl.DataFrame(
        {**table, "prompt": [""] * count, "key": [""] * count, "seed": [0] * count,
         "generator": [""] * count},
        schema=ROWS,
    )  # fmt: skip
    content = IndexContent(rows, made.keys, made.targets, "made up", "made up")
    start, cpu = time.perf_counter(), time.process_time()
    manifest = write_index(folder, content, held_out, config)
    size = manifest.files[manifest.vectors].size_bytes
    facts = _built(manifest.factory, start, cpu, size)
    facts["effort"] = {
        name: value for name, value in vars(manifest.effort).items() if value is not None
    }
    facts["tried"] = {trial.factory: trial.recall for trial in manifest.tried}
    index = PromptIndex.load(folder)
    return Contender(facts, lambda keys, k: tuple(index.search(keys, k)))


def _built(name: str, start: float, cpu: float, size: int) -> dict[str, Any]:
    return {
        "index": name,
        "build_seconds": round(time.perf_counter() - start, 1),
        "build_cpu_seconds": round(time.process_time() - cpu, 1),
        "MB": round(size / 2**20, 1),
    }


def _race(contenders: dict[str, Contender], queries: np.ndarray, rounds: int) -> None:
    """Recall, time of a single query and of a batch; each as a ratio to flat as well."""
    exact = contenders["flat"].search(queries, K)[1]
    single: dict[str, list[float]] = {name: [] for name in contenders}
    batch: dict[str, list[float]] = {name: [] for name in contenders}
    alone = min(20, len(queries))
    for _ in range(rounds):
        for name, contender in contenders.items():
            start = time.process_time()
            for place in range(alone):
                contender.search(queries[place : place + 1], K)
            single[name].append((time.process_time() - start) / alone)
            start = time.process_time()
            contender.search(queries, K)
            batch[name].append((time.process_time() - start) / len(queries))
    flat_single, flat_batch = (statistics.median(times["flat"]) for times in (single, batch))
    for name, contender in contenders.items():
        rows = contender.search(queries, K)[1]
        hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, exact, strict=True)]
        one, many = statistics.median(single[name]), statistics.median(batch[name])
        contender.facts.update(
            {
                "recall": round(float(np.mean(hits)) / K, 4),
                "single_query_cpu_ms": round(one * 1e3, 3),
                "batch_queries_a_cpu_second": round(1 / many),
                "single_faster_than_flat": round(flat_single / one, 2),
                "batch_faster_than_flat": round(flat_batch / many, 2),
            }
        )


def _estimate(index: PromptIndex, made: Made, queries: Made) -> dict[str, Any]:
    """The kNN estimate of the target against Kaggle's, which weights all rows by distance."""
    config = KnnConfig(k=K, weighting="inverse_power")
    asked = queries.keys[:EXHAUSTIVE_QUERIES].astype(np.float32)
    truth = queries.targets[:EXHAUSTIVE_QUERIES].astype(np.float32)
    start = time.process_time()
    near = estimate_from_neighbors(index.search(asked, K), index.targets, config).vectors
    middle = time.process_time()
    weighted = np.zeros((len(asked), TARGET_DIM), dtype=np.float32)
    for first in range(0, len(made.keys), PART):
        keys = made.keys[first : first + PART].astype(np.float32)
        distances = np.maximum(1 - asked @ keys.T, 0)
        weights = 1 / (distances**config.power + 1e-4)
        weighted += weights @ made.targets[first : first + PART].astype(np.float32)
    exhaustive, end = to_unit_length(weighted), time.process_time()
    return {
        "ours_cosine": round(float(np.mean(np.sum(near * truth, axis=1))), 4),
        "exhaustive_cosine": round(float(np.mean(np.sum(exhaustive * truth, axis=1))), 4),
        "ours_cpu_ms_a_query": round((middle - start) / len(asked) * 1e3, 3),
        "exhaustive_cpu_ms_a_query": round((end - middle) / len(asked) * 1e3, 3),
        "faster": round((end - middle) / (middle - start), 1),
    }


def _gather_ms(index: PromptIndex) -> float:
    generator, times = np.random.default_rng(4), []
    for _ in range(50):
        rows = generator.integers(len(index.targets), size=100)
        start = time.process_time_ns()
        index.targets[rows].astype(np.float32)
        times.append((time.process_time_ns() - start) / 1e6)
    return round(statistics.median(times), 3)


def _loaded(folder: Path) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True
    )
    return dict(json.loads(run.stdout))


def _make(kind: str, count: int, seed: int) -> Made:
    parts = [
        _part(kind, min(PART, count - first), seed * 10_007 + first)
        for first in range(0, count, PART)
    ]
    return Made(*(np.concatenate(vectors) for vectors in zip(*parts, strict=True)))


def _part(kind: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    fixed, generator = np.random.default_rng(0), np.random.default_rng(seed)
    noise = generator.standard_normal((count, DIM), dtype=np.float32)
    if kind == "centres":
        spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -0.5  # a power law
        centres = fixed.standard_normal((20_000, DIM), dtype=np.float32) * spectrum
        hidden = centres[generator.integers(len(centres), size=count)]
        keys = to_unit_length(hidden + noise * spectrum)
    else:
        means = fixed.standard_normal((500, 24), dtype=np.float32)
        first = fixed.standard_normal((24, 256), dtype=np.float32) / 24**0.5
        second = fixed.standard_normal((256, DIM), dtype=np.float32) / 16
        spread = generator.standard_normal((count, 24), dtype=np.float32)
        hidden = means[generator.integers(len(means), size=count)] + 0.5 * spread
        keys = to_unit_length(np.tanh(2 * hidden @ first) @ second)
        keys = to_unit_length(keys + 0.3 * noise / DIM**0.5)
    towards = fixed.standard_normal((hidden.shape[1], TARGET_DIM), dtype=np.float32)
    targets = to_unit_length(np.tanh(hidden @ towards))
    return keys.astype(np.float16), targets.astype(np.float16)


if __name__ == "__main__":
    main()
