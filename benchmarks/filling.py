"""Time and memory of building an index from embeddings on disk.

`python benchmarks/filling.py --rows 1000000` -> JSON on stdout

The stage `index` of a build indexes the same random embeddings, each time in a new process: as
chosen by size, with a budget that leaves the lists on disk, by two processes, and killed and
started again. Peak memory is that of the process, without the pages of mapped files.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from made_vectors import DIM, PART, TARGET_DIM, make_vectors

from unprompt.build.corpus.corpus import PROMPTS_FILE, REPORT_FILE, TARGETS_FILE
from unprompt.index.base.durable import write_json
from unprompt.index.base.tables import PROMPTS, write_table
from unprompt.index.vectors.embeddings import METADATA, EmbeddingsInfo, start_embeddings, write_part
from unprompt.index.vectors.matrix import write_matrix

HELD_OUT = 1000
WAYS = {
    "chosen": "as chosen",
    "disk": "lists on disk",
    "two": "two processes",
    "killed": "killed and started again",
}
RUN = """
import json, sys, threading, time
from pathlib import Path
from unprompt.build.keys.assemble import assemble_index
from unprompt.build.corpus.corpus import read_corpus
from unprompt.index.engines.engine import EngineConfig
from unprompt.index.search.factory import IndexConfig
place, name, memory, workers = Path(sys.argv[1]), sys.argv[2], sys.argv[3] or None, sys.argv[4]
peak = [0]
def watch():
    while True:
        status = dict(line.split(":") for line in open("/proc/self/status") if "Rss" in line)
        peak[0] = max(peak[0], int(status["RssAnon"].split()[0]))
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()
start, keys = time.perf_counter(), place / "embeddings"
manifest = assemble_index(
    place / name, keys, keys, read_corpus(place / "corpus"), IndexConfig(whiten=0, memory=memory),
    engine=EngineConfig(workers=int(workers) if workers else None),
)
print(json.dumps({
    "index": manifest.factory, "lists_on_disk": manifest.lists is not None,
    "tried": {trial.factory: trial.recall for trial in manifest.tried},
    "seconds": round(time.perf_counter() - start, 1), "peak_MB": round(peak[0] / 1024),
    "files_MB": {name: round(file.size_bytes / 2**20, 1)
                 for name, file in manifest.files.items() if file.size_bytes > 2**20},
}))
"""
SEARCH = """
import json, sys, time
from pathlib import Path
import numpy as np
from unprompt.index.store.prompt_index import PromptIndex
index = PromptIndex.load(Path(sys.argv[1]))
queries = np.load(sys.argv[2])[:200]
for _ in range(2):  # what is read was read before
    start = time.process_time()
    for query in queries:
        index.search(query[None], 50)
    alone = (time.process_time() - start) / len(queries)
status = dict(line.split(":") for line in open("/proc/self/status") if "Rss" in line)
print(json.dumps({"single_query_cpu_ms": round(alone * 1e3, 2),
                  "searching_MB": round(int(status["RssAnon"].split()[0]) / 1024)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="64M", help="the budget that lists are too large for")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _make(place, asked.rows)
        found: dict[str, Any] = {"rows": asked.rows, "dim": DIM}
        for way in asked.ways:
            if way == "killed":
                found[WAYS[way]] = _kill_and_build(place, way)
            else:
                memory = asked.memory if way == "disk" else ""
                found[WAYS[way]] = _build(place, way, memory, "2" if way == "two" else "")
            if way in ("chosen", "disk"):
                found[WAYS[way]] |= _run(SEARCH, str(place / way), str(place / "queries.npy"))
        for way in {"two", "killed"} & set(asked.ways) if "chosen" in asked.ways else ():
            same = (place / way / "index.faiss").read_bytes()
            assert same == (place / "chosen" / "index.faiss").read_bytes()
    print(json.dumps(found, indent=1))


def _make(place: Path, rows: int) -> None:
    """Embeddings of 100,000 rows a part, the last ones held out, and their corpus."""
    folder, count, tables, targets = place / "embeddings", rows + HELD_OUT, [], []
    start_embeddings(folder, EmbeddingsInfo("made up", DIM))
    for part, start in enumerate(range(0, count, PART)):
        made = make_vectors("manifold", min(PART, count - start), seed=start)
        ids = pl.Series(np.arange(start, start + len(made.keys)), dtype=pl.UInt64)
        split = pl.Series(["train" if row < rows else "validation" for row in ids])
        table = pl.DataFrame(
            {
                **{"image_path": ids.cast(pl.String), "caption": ids.cast(pl.String)},
                **{"image_id": ids, "prompt_id": ids, "split": split, "seed": ids},
                **{"generator": ["made up"] * len(ids), "status": ["success"] * len(ids)},
                "error_message": pl.Series([None] * len(ids), dtype=pl.String),
            }
        ).select(list(METADATA))
        write_part(folder, part, table, made.keys, "image")
        tables.append(table)
        targets.append(made.targets)
    prompts = pl.concat(tables).select(
        "prompt_id", pl.col("caption").alias("prompt"), pl.col("generator").alias("source"),
        pl.col("prompt_id").alias("group_id"), "split",
    )  # fmt: skip
    write_table(place / "corpus" / PROMPTS_FILE, prompts, PROMPTS)
    write_matrix(place / "corpus" / TARGETS_FILE, np.concatenate(targets), np.float16)
    write_json(place / "corpus" / REPORT_FILE, {"target_space": f"made up, {TARGET_DIM}"})
    np.save(place / "queries.npy", make_vectors("manifold", 200, seed=7).keys.astype(np.float32))


def _build(place: Path, name: str, memory: str = "", workers: str = "") -> dict[str, Any]:
    return _run(RUN, str(place), name, memory, workers)


def _kill_and_build(place: Path, name: str) -> dict[str, Any]:
    """Killed once the first part is there."""
    command = [sys.executable, "-c", RUN, str(place), name, "", ""]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    start = time.perf_counter()
    while not list((place / name).rglob("codes_*.npy")):
        if child.poll() is not None:  # so few rows have no parts
            break
        time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    lost = round(time.perf_counter() - start, 1)
    return {"killed_after_seconds": lost, **_build(place, name)}


def _run(code: str, *asked: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
