"""Prompts cleaned per second on one core, for each cleaning preset.

`python benchmarks/cleaning.py [FILES]` prints JSON lines.

Processor time of the rules alone, one line a preset; FILES are prompt files, and without any the
prompts are scenes. What is loaded once (CLIP's vocabulary) is loaded before.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported

import polars as pl

from unprompt.build.corpus.cleaning.clean_rows import Cleaner
from unprompt.build.corpus.cleaning.clip_length import over_clip_tokens
from unprompt.build.corpus.cleaning.config import PRESETS, CleanConfig
from unprompt.build.corpus.sources.prompt_files import read_prompts
from unprompt.build.scenes.grammar import sample_prompts

ROUNDS = 3
SCENES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    files = parser.parse_args().files
    if files:
        table = read_prompts(files).table
    else:
        prompts = sample_prompts(SCENES, 0)
        table = pl.DataFrame({"prompt": prompts, "source": ["scenes"] * len(prompts)})
    over_clip_tokens(pl.Series(["zyzzyva " * 40]), 77)
    for name, settings in PRESETS.items():
        cleaner, seconds = Cleaner(CleanConfig(**settings)), []
        for _ in range(ROUNDS):
            before = time.process_time()
            cleaned = cleaner(table)
            seconds.append(time.process_time() - before)
        report = {
            "preset": name,
            "prompts": table.height,
            "from": [file.name for file in files] or "scenes",
            "cpu_seconds": round(min(seconds), 3),
            "prompts_per_cpu_second": round(table.height / min(seconds)),
            "kept": cleaned.table.height,
            "rewritten": cleaned.counts["rewritten"],
            "load_average": os.getloadavg()[0],
        }
        sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
