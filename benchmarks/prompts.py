"""Prompts embedded per second: sentence-transformers' default and this package.

`python benchmarks/prompts.py --prompts prompts.txt` -> JSON on stdout; without a file, prompts of
the scenes grammar. Interleaved rounds in one process; medians of wall-clock time, ratios within the
run.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.machine import describe_machine
from unprompt.index.prompt_encoders.minilm import minilm_folder
from unprompt.index.prompt_encoders.target_encoder import (
    load_bulk_prompt_encoder,
    load_query_prompt_encoder,
)
from unprompt.index.runtime.self_check import compare

Run = Callable[[list[str]], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=Path, help="a text file, a prompt a line")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    prompts = read_prompts(asked.prompts, asked.count)
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(minilm_folder()))
    ways: dict[str, Run] = {
        "sentence-transformers": lambda texts: peer.encode(texts, normalize_embeddings=True),
        "ours, one batch at a time": load_query_prompt_encoder().encode,
        "ours, a batch a core": load_bulk_prompt_encoder().encode,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors: dict[str, np.ndarray] = {}
    for way in ways.values():
        way(prompts[:100])
    for _ in range(asked.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            vectors[name] = way(prompts)
            seconds[name].append(time.perf_counter() - start)
    rates = {name: len(prompts) / statistics.median(taken) for name, taken in seconds.items()}
    first = next(iter(ways))
    found = {
        name: {
            "prompts_per_second": round(rate),
            "times": round(rate / rates[first], 2),
            "cosine_mean": round(compare(vectors[first], vectors[name]).mean, 6),
            "cosine_lowest": round(compare(vectors[first], vectors[name]).lowest, 6),
        }
        for name, rate in rates.items()
    }
    print(json.dumps({"machine": describe_machine().cpu, "prompts": len(prompts), **found}))


def read_prompts(path: Path | None, count: int) -> list[str]:
    """So many lines, drawn from all of them with a fixed seed."""
    if path is None:
        return sample_prompts(count, 4711)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    chosen = np.random.default_rng(0).permutation(len(lines))[:count]
    return [lines[place] for place in chosen]


if __name__ == "__main__":
    sys.exit(main())
