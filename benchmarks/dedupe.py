"""Time, memory and recall of finding planted duplicates among prompts.

    python benchmarks/dedupe.py --rows 1000000 prompts.txt

Prompts are those of the files and made-up ones: an opening and several phrases of real prompts, a
third of them with one common tail of style words. Of the rows one in twenty is a copy of an earlier
one, with other case and signs, one word more, less or other, or two phrases swapped; by the plain
definition of Jaccard similarity some copies lie under the threshold and need not be found. The
vectors of the cosine step are made up too, in clusters, with planted neighbors.

A planted pair is missed where both prompts stay. A row is wrongly dropped where its similarity to
the prompt it fell for, computed again in the plain way, is under the threshold. Each step has a
process of its own; peak memory is that process's.
"""

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.build.corpus.dedupe import dedupe_by_words
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.cosine import drop_by_index
from unprompt.build.corpus.duplicates.vectors import VectorFiles
from unprompt.build.corpus.sources.prompt_files import PromptFiles, read_prompts
from unprompt.build.scenes.grammar import sample_prompts

ROWS_EACH = 25_000  # of a file
PLANTED = 0.05
CHECKED = 3000  # dropped rows whose similarity is computed again
DIM, ROWS_OF_CLUSTER = 384, 20
TAIL = (
    "highly detailed, digital painting, artstation, concept art, smooth, sharp focus, "
    "illustration, art by artgerm and greg rutkowski and alphonse mucha"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*", help="real prompts; scenes without")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--minhash", type=float, default=0.9)
    parser.add_argument("--cosine", type=float, default=0.8)
    parser.add_argument("--step", choices=("words", "vectors", "both"), default="both")
    parser.add_argument("--work", type=Path, help="folder for what is written meanwhile")
    asked = parser.parse_args()
    steps = {"words": (find_by_words, asked.minhash), "vectors": (find_by_vectors, asked.cosine)}
    wanted = steps.values() if asked.step == "both" else [steps[asked.step]]
    prompts = read_prompts(asked.files).table["prompt"].to_list() if asked.files else []
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        for step, threshold in wanted:
            work = Path(folder) / step.__name__
            job = (work, prompts or sample_prompts(20_000, 0), asked.rows, threshold)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                report = pool.submit(step, *job).result()
            sys.stdout.write(json.dumps({"rows": asked.rows, **report}) + "\n")
            sys.stdout.flush()


def measured(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What `run` gives, and what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = run()
    return found, {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load_average": round(os.getloadavg()[0], 1),
    }


def find_by_words(work: Path, prompts: list[str], rows: int, threshold: float) -> dict[str, object]:
    """Exact and MinHash over `rows` prompts, read from parquet files as `unprompt clean` does."""
    planted = write_prompts(work / "raw", prompts, rows, threshold)
    files = PromptFiles(sorted((work / "raw").iterdir()))
    settings = DuplicatesConfig(exact=True, minhash=threshold)
    deduped, taken = measured(lambda: dedupe_by_words(work / "dedupe", files, None, settings))
    texts = pl.concat([pl.read_parquet(path) for path in sorted((work / "raw").iterdir())])
    kept = texts["prompt"].is_in(deduped.table["prompt"].implode()).to_numpy()
    recall = {}
    for kind in ("case", "word", "order"):
        pairs = planted.filter((pl.col("kind") == kind) & pl.col("near"))
        missed = kept[pairs["row"].to_numpy()] & kept[pairs["original"].to_numpy()]
        recall[kind] = {"planted": pairs.height, "recall": round(1.0 - float(missed.mean()), 5)}
    named = pl.concat(
        [
            deduped.table.select("prompt_id", "prompt"),
            *(step.select("prompt_id", "prompt") for step in deduped.duplicates),
        ]
    )
    fell = pl.concat(deduped.duplicates)
    checked = fell.sample(min(CHECKED, fell.height), seed=0).join(
        named.rename({"prompt_id": "near_prompt_id", "prompt": "near"}), on="near_prompt_id"
    )
    wrong = [jaccard(a, b) < threshold - 1e-9 for a, b in checked.select("prompt", "near").rows()]
    return {
        "step": "words", "threshold": threshold, **taken, "kept": deduped.table.height,
        **deduped.report["duplicates"], "planted": recall, "dropped_checked": len(wrong),
        "wrongly_dropped_share": float(np.mean(wrong)),
    }  # fmt: skip


def write_prompts(folder: Path, prompts: list[str], rows: int, threshold: float) -> pl.DataFrame:
    """Write distinct prompts and copies to parquet files; the copies: row, original, kind, near."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    maker = PromptMaker(prompts, rng)
    planted: list[tuple[int, int, str, bool]] = []
    recent: list[tuple[int, str]] = []  # rows to copy, from all that came before
    for start in range(0, rows, ROWS_EACH):
        texts: list[str] = []
        for row in range(start, min(rows, start + ROWS_EACH)):
            if recent and rng.random() < PLANTED:
                original, text = recent[rng.integers(len(recent))]
                kind, copy = vary(text, rng)
                planted.append((row, original, kind, jaccard(text, copy) >= threshold))
                texts.append(copy)
                continue
            texts.append(prompts[row] if row < len(prompts) else maker())
            if len(recent) < 50_000:
                recent.append((row, texts[-1]))
            elif rng.random() < 50_000 / row:
                recent[rng.integers(len(recent))] = (row, texts[-1])
        table = pl.DataFrame({"prompt": texts})
        table.write_parquet(folder / f"{start // ROWS_EACH:05d}.parquet")
    columns = {"row": pl.Int64, "original": pl.Int64, "kind": pl.String, "near": pl.Boolean}
    return pl.DataFrame(planted, schema=columns, orient="row")


class PromptMaker:
    """New prompts of the openings and phrases of known ones."""

    def __init__(self, prompts: list[str], rng: np.random.Generator):
        parts = [[part.strip() for part in prompt.split(",")] for prompt in prompts]
        self._openings = [part[0] for part in parts if part[0]]
        self._phrases = [phrase for part in parts for phrase in part[1:] if phrase]
        self._rng = rng

    def __call__(self) -> str:
        """One prompt."""
        openings = [self._openings[n] for n in self._rng.integers(len(self._openings), size=2)]
        if self._rng.random() < 1 / 3:
            return f"{openings[0]} and {openings[1]}, {TAIL}"
        chosen = self._rng.integers(len(self._phrases), size=self._rng.integers(3, 8))
        return ", ".join([openings[0], *(self._phrases[n] for n in chosen)])


def vary(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A kind of change, and the text changed so."""
    kind = ("case", "word", "order")[rng.integers(3)]
    words, phrases = text.split(" "), text.split(", ")
    if kind == "order" and len(set(phrases)) == len(phrases) > 1:
        place = int(rng.integers(len(phrases) - 1))
        phrases[place : place + 2] = phrases[place + 1], phrases[place]
        return kind, ", ".join(phrases)
    if kind == "word" and len(words) > 1:
        place = int(rng.integers(len(words)))
        removed, added = ((0, ["another"]), (1, []), (1, ["another"]))[rng.integers(3)]
        words[place : place + removed] = added
        return kind, " ".join(words)
    return "case", text.upper().replace(",", " ,") + "!"


def jaccard(left: str, right: str) -> float:
    """Of words and pairs of words, by the definition; 1 for equal texts without a word."""
    sets = []
    for text in (left, right):
        words = re.sub(r"[\W_]+", " ", text.lower()).split()
        sets.append({*words, *zip(words, words[1:], strict=False)})
    union = sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(union) if union else 1.0


def find_by_vectors(
    work: Path, prompts: list[str], rows: int, threshold: float
) -> dict[str, object]:
    """The cosine step over `rows` made-up vectors on disk."""
    paths, planted = write_clusters(work / "vectors", rows, threshold)
    files = VectorFiles(paths)
    probe = DuplicatesConfig().probe
    drops, taken = measured(lambda: drop_by_index(work / "drops", files, threshold, probe))
    fallen = np.zeros(rows, bool)
    fallen[drops.rows] = True
    truth = cosines(files, planted[:, 0], planted[:, 1])
    near = planted[truth >= threshold]
    missed = ~fallen[near[:, 0]] & ~fallen[near[:, 1]]
    again = cosines(files, drops.rows, drops.kept)
    return {
        "step": "cosine", "threshold": threshold, **taken, "kept": int((~fallen).sum()),
        "planted": len(near), "recall": round(1.0 - float(missed.mean()), 5),
        "dropped_not_planted": int(len(drops.rows) - fallen[planted[:, 0]].sum()),
        "dropped_checked": len(again),
        "wrongly_dropped_share": float((again < threshold - 1e-6).mean()),
    }  # fmt: skip


def write_clusters(folder: Path, rows: int, threshold: float) -> tuple[list[Path], np.ndarray]:
    """Unit vectors in clusters as float16 files, and the planted pairs (p, 2): copy, original."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(11)
    basis = rng.normal(size=(64, DIM))
    centres = unit(rng.normal(size=(max(rows // ROWS_OF_CLUSTER, 1), 64)) @ basis)
    paths: list[Path] = []
    pairs: list[np.ndarray] = []
    for start in range(0, rows, ROWS_EACH):
        count = min(ROWS_EACH, rows - start)
        own = centres[rng.integers(len(centres), size=count)]
        block = unit(0.8 * own + 0.6 * unit(rng.normal(size=(count, DIM))))
        if paths:
            copies = np.flatnonzero(rng.random(count) < PLANTED)
            originals = rng.integers(start, size=len(copies))
            base = VectorFiles(paths).take(originals)
            away = rng.normal(size=base.shape)
            away = unit(away - base * np.einsum("nd,nd->n", away, base)[:, None])
            cosine = rng.uniform(threshold, 0.99, size=(len(copies), 1))
            block[copies] = cosine * base + np.sqrt(1.0 - cosine**2) * away
            pairs.append(np.stack([copies + start, originals], axis=1))
        paths.append(folder / f"{start // ROWS_EACH:05d}.npy")
        np.save(paths[-1], block.astype(np.float16))
    return paths, np.concatenate(pairs)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(files: VectorFiles, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of row i of both, a few thousand at a time."""
    parts = [
        np.einsum("nd,nd->n", files.take(left[at : at + 8192]), files.take(right[at : at + 8192]))
        for at in range(0, len(left), 8192)
    ]
    return np.concatenate([np.empty(0), *parts])


if __name__ == "__main__":
    main()
