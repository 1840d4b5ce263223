"""How near a bank of prompts comes to prompts that people wrote, beside other banks.

`python benchmarks/bank.py [bank.parquet]` -> JSON on stdout; without a file, a bank of --count
prompts is drawn. The real prompts lie in ../shared/data, outside this repository; without them the
benchmark says so and ends. Cosines are those of all-MiniLM-L6-v2; a source has 40 prompts or more.
"""

import argparse
import json
import re
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.make.bank.choose import choose_rows
from unprompt.build.make.bank.expand import draw_prompts
from unprompt.build.make.bank.grammar import shipped_grammar
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder
from unprompt.index.towers.class_bank import read_class_bank
from unprompt.index.vectors.nearest import nearest

DATA = Path(__file__).parents[2] / "shared" / "data"
LEAST = 40  # distinct prompts of a source
SEPARATE, REFERENCE = 5000, 20_000  # of the prompts in sd_prompts.txt
SHAPES = {  # of a prompt, in the order to try
    "sentences": r"[.!?] [A-Z]",
    "tags": r"(?:[^,]*,){2}",
    "lettering": "[\"'\u201c].+[\"'\u201d]",
    "picture of": r"^(?:an? |the )?(?:[\w-]+ ){1,3}of ",
    "article": r"^(?:an?|the|two|three|\d+) ",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bank", type=Path, nargs="?", help="a parquet file with a column prompt")
    parser.add_argument("--count", type=int, default=20_000)
    asked = parser.parse_args()
    if not (DATA / "real").is_dir():
        sys.exit(f"skipped: no {DATA / 'real'}; the real prompts are not part of this repository")
    encoder = load_bulk_prompt_encoder()
    generated = read_generated()
    people = read_people()
    parti = pl.read_csv(DATA / "prompts/parti.tsv", separator="\t", quote_char=None)["Prompt"]
    real = {"generated": generated["prompt"].to_list(), "sd_prompts": people[:SEPARATE],
            "parti": parti.to_list()}  # fmt: skip
    vectors = {name: encoder.encode(prompts) for name, prompts in real.items()}
    banks = {
        "bank": pl.read_parquet(asked.bank)["prompt"].to_list() if asked.bank else None,
        "real prompts": people[SEPARATE : SEPARATE + REFERENCE],
        "scenes": sample_prompts(REFERENCE, 4711),
        "ImageNet classes": read_class_bank("efficientnet-lite0").prompts,
    }
    found = {}
    for name, prompts in banks.items():
        if prompts is None:
            prompts = [text for text, _ in islice(draw_prompts(shipped_grammar(), 0), asked.count)]
            prompts = [
                prompts[row] for row in choose_rows(encoder.encode(prompts), 0.8, len(prompts))
            ]
        bank = encoder.encode(prompts)
        near = {part: nearest(asked_for, bank, 1)[0][:, 0] for part, asked_for in vectors.items()}
        found[name] = {"prompts": len(prompts), **measure(near, generated), **describe(prompts)}
    real_shapes = {name: describe(prompts) for name, prompts in real.items()}
    print(json.dumps({"banks": found, "real": real_shapes}, indent=1))


def read_generated() -> pl.DataFrame:
    """The distinct prompts of the real pictures with their sources."""
    table = pl.read_parquet(DATA / "real/generated.parquet").select("prompt", "source")
    return table.unique("prompt", keep="first", maintain_order=True)


def read_people() -> list[str]:
    """The distinct prompts of sd_prompts.txt in a fixed random order."""
    lines = (DATA / "prompts/sd_prompts.txt").read_text(encoding="utf-8").splitlines()
    prompts = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    return [prompts[place] for place in np.random.default_rng(0).permutation(len(prompts))]


def measure(near: dict[str, np.ndarray], generated: pl.DataFrame) -> dict[str, object]:
    """Mean cosines of real prompts to their nearest prompt of a bank."""
    cosines = generated.with_columns(pl.Series("cosine", near["generated"]))
    by_source = cosines.group_by("source").agg(pl.len(), pl.col("cosine").mean())
    large = by_source.filter(pl.col("len") >= LEAST)["cosine"].to_numpy()
    means = {name: round(float(values.mean()), 4) for name, values in near.items()}
    return {"by_source": round(float(large.mean()), 4), "sources": len(large), **means}


def describe(prompts: list[str]) -> dict[str, object]:
    """Quartiles of the number of words, and the share of each shape of prompt."""
    words = np.quantile([len(prompt.split()) for prompt in prompts], [0.1, 0.25, 0.5, 0.75, 0.9])
    shapes = Counter(shape_of(prompt) for prompt in prompts)
    shares = {name: round(shapes[name] / len(prompts), 2) for name in (*SHAPES, "other")}
    return {"words": words.round().astype(int).tolist(), "shapes": shares}


def shape_of(prompt: str) -> str:
    """The first of SHAPES that fits."""
    return next((name for name, pattern in SHAPES.items() if re.search(pattern, prompt)), "other")


if __name__ == "__main__":
    main()
