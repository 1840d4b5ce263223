"""Search time and recall of a flat index, autofaiss' choice and the default index, at scale.

`python benchmarks/search.py --rows 100000` -> JSON on stdout

All indexes are timed in one process, in interleaved rounds, so that their ratios to `flat` can be
compared between machines. made_vectors.py describes the two kinds of vectors.
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
from made_vectors import DIM, PART, Made, as_content, make_vectors

from unprompt.index.search.factory import IndexConfig, choose_index
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.store.prompt_index import Neighbors, PromptIndex
from unprompt.index.store.write import write_index
from unprompt.index.vectors.faiss_library import load_faiss
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.estimate.knn import KnnConfig, estimate_from_neighbors

K = 50
AUTOFAISS_BREADTH = 2573  # efSearch of autofaiss 2.18 for 100,000 keys, 4G and 10 ms
GRAPH_ROWS = 200_000  # above it a graph takes minutes and more to build
NOTEBOOK_K, ESTIMATED, ALONE = 100, 200, 10  # neighbors; queries in a batch, one by one
Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]

OPEN = """
import json, sys, time
from pathlib import Path
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.faiss_library import load_faiss
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


class Contender(NamedTuple):
    """A built index and its search function."""

    facts: dict[str, Any]
    search: Search
    recall: float | None = None  # where its own space gives other neighbors


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
    made = make_vectors(kind, asked.rows, seed=1)
    queries = make_vectors(kind, asked.queries, seed=2)
    held_out = make_vectors(kind, 500, seed=3).keys.astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        contenders = _contenders(made, held_out, Path(place))
        _race(contenders, queries.keys.astype(np.float32), asked.rounds)
        ours = PromptIndex.load(Path(place) / "ours")
        return {
            **{name: contender.facts for name, contender in contenders.items()},
            "estimate_of_single_queries": _estimate(ours, made, queries, True),
            "estimate_of_a_batch": _estimate(ours, made, queries, False),
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
    wanted = {"ours": IndexConfig(whiten=0), "ours, whitened": IndexConfig()}
    if rows <= GRAPH_ROWS:
        listed = next(
            choice.factory
            for choice in choose_index(rows, DIM, IndexConfig(whiten=0))
            if parse_factory(choice.factory).lists
        )
        wanted["ours, latency"] = IndexConfig(whiten=0, prefer="latency")
        wanted["ours, lists"] = IndexConfig(listed, whiten=0)
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
    start, cpu = time.perf_counter(), time.process_time()
    manifest = write_index(folder, as_content(made), held_out, config)
    size = manifest.files[manifest.vectors].size_bytes
    facts = _built(manifest.factory, start, cpu, size)
    facts["effort"] = {
        name: value for name, value in vars(manifest.effort).items() if value is not None
    }
    facts["tried"] = {trial.factory: trial.recall for trial in manifest.tried}
    index = PromptIndex.load(folder)
    own = manifest.recall.value if config.whiten and manifest.recall else None
    return Contender(facts, lambda keys, k: tuple(index.search(keys, k)), own)


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
        shared = round(float(np.mean(hits)) / K, 4)
        one, many = statistics.median(single[name]), statistics.median(batch[name])
        contender.facts.update(
            {
                "recall": shared if contender.recall is None else contender.recall,
                "single_query_cpu_ms": round(one * 1e3, 3),
                "batch_queries_a_cpu_second": round(1 / many),
                "single_faster_than_flat": round(flat_single / one, 2),
                "batch_faster_than_flat": round(flat_batch / many, 2),
            }
        )


def _estimate(index: PromptIndex, made: Made, queries: Made, alone: bool) -> dict[str, Any]:
    """The kNN estimate of the target against the public Kaggle notebooks': an exact scan.

    Both take the 100 nearest with weights 1 / (distance ** 6 + 1e-4). `alone`: query by query. What
    they read was read before: keys and targets of ours are mapped, theirs are float32 in memory.
    """
    config = KnnConfig(k=NOTEBOOK_K, weighting="inverse_power")
    asked = queries.keys[:ESTIMATED].astype(np.float32)
    truth = queries.targets[:ESTIMATED].astype(np.float32)
    blocks = [asked[place : place + 1] for place in range(ALONE)] if alone else [asked]
    bank = [made.keys[first : first + PART].astype(np.float32) for first in _parts(made)]
    for _ in range(2):  # the second time counts
        start = time.process_time()
        found = [index.search(block, config.k) for block in blocks]
        ours = [estimate_from_neighbors(near, index.targets, config).vectors for near in found]
        middle = time.process_time()
        theirs = [_scan(block, bank, made.targets, config) for block in blocks]
        end = time.process_time()
    near, exact = np.concatenate(ours), np.concatenate(theirs)
    each = 1e3 / len(near)
    return {
        "cosine_to_theirs": round(float(np.mean(np.sum(near * exact, axis=1))), 5),
        "ours_cosine": round(float(np.mean(np.sum(near * truth[: len(near)], axis=1))), 4),
        "theirs_cosine": round(float(np.mean(np.sum(exact * truth[: len(near)], axis=1))), 4),
        "ours_cpu_ms_a_query": round((middle - start) * each, 3),
        "theirs_cpu_ms_a_query": round((end - middle) * each, 3),
        "faster": round((end - middle) / (middle - start), 1),
    }


def _parts(made: Made) -> range:
    return range(0, len(made.keys), PART)


def _scan(
    asked: np.ndarray, bank: list[np.ndarray], targets: np.ndarray, config: KnnConfig
) -> np.ndarray:
    """All products, the best of each part of the keys, then the best of those."""
    scores, rows = [], []
    for number, part in enumerate(bank):
        products = asked @ part.T
        best = np.argpartition(-products, config.k, axis=1)[:, : config.k]
        scores.append(np.take_along_axis(products, best, 1))
        rows.append(best + number * PART)
    joined, places = np.hstack(scores), np.hstack(rows)
    best = np.argpartition(-joined, config.k - 1, axis=1)[:, : config.k]
    joined, places = np.take_along_axis(joined, best, 1), np.take_along_axis(places, best, 1)
    return estimate_from_neighbors(Neighbors(joined, places), targets, config).vectors


def _gather_ms(index: PromptIndex) -> float:
    generator, times = np.random.default_rng(4), []
    for _ in range(50):
        rows = generator.integers(len(index.targets), size=100)
        start = time.process_time_ns()
        widen(index.targets[rows])
        times.append((time.process_time_ns() - start) / 1e6)
    return round(statistics.median(times), 3)


def _loaded(folder: Path) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True
    )
    return dict(json.loads(run.stdout))


if __name__ == "__main__":
    main()
