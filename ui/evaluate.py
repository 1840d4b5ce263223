"""`unprompt eval`: a config's name -> a table of scores, or JSON."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unprompt.inversion.evaluate import MethodScore
from unprompt.ui.build import run_folder
from unprompt.ui.config import load_config
from unprompt.ui.progress import choose_progress
from unprompt.ui.workflow import build_run, score_run


def run_eval(name: str, output: Path | None, settings: Sequence[str], as_json: bool) -> None:
    """Build the run if it is not whole, score it, print."""
    config = load_config(name, settings)
    folder = run_folder(output, config)
    build_run(folder, config, progress=choose_progress())
    scores, leaks = score_run(folder, config)
    if as_json:
        report = {
            "run": config.build.name,
            "methods": [s.as_json() for s in scores],
            "leaks": leaks,
        }
        print(json.dumps(report, indent=2))
        return
    print(score_table(scores))
    print(leak_line(leaks), file=sys.stderr)


def score_table(scores: Sequence[MethodScore]) -> str:
    """The scores as a Markdown table, readable as it is."""
    lines = [
        "| method         | mean cosine | 95% interval     |    n |",
        "| -------------- | ----------: | ---------------- | ---: |",
    ]
    for score in scores:
        low, high = score.ci95
        lines.append(
            f"| {score.method:<14} | {score.mean_cosine:>11.4f} | {low:.4f} - {high:.4f}  "
            f"| {score.n:>4} |"
        )
    return "\n".join(lines)


def leak_line(leaks: dict[str, Any]) -> str:
    """What the leak check found, as a sentence."""
    line = (
        f"leak check: the nearest train and held-out prompts have a cosine of "
        f"{leaks['highest_cosine']:.6f}, under {leaks['threshold']}"
    )
    if leaks["tower_of_another_corpus"]:
        line += (
            "\nWARNING: the tower was trained on another corpus; these scores may be of prompts "
            "it has seen. Train it on this corpus, or give this run the corpus it was trained on"
        )
    return line
