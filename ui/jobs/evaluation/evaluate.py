"""`unprompt eval`: a config, real pairs, or a submission -> a table of scores, JSON or a report."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.images.pictures import open_picture
from unprompt.index.images.shard_pictures import ImageShards
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.batch.scored_submission import match_truth
from unprompt.inversion.fit.by_prompt import group_numbers
from unprompt.inversion.fit.evaluate import MethodScore, score
from unprompt.ui.jobs.build import build_run
from unprompt.ui.jobs.config import load_config
from unprompt.ui.jobs.evaluation.cosines import write_cosines
from unprompt.ui.jobs.evaluation.evaluate_run import evaluate_run
from unprompt.ui.jobs.evaluation.pairs import evaluate_pairs
from unprompt.ui.jobs.evaluation.pairs_report import (
    group_table,
    method_table,
    summary_line,
    write_pairs_report,
)
from unprompt.ui.jobs.evaluation.report import score_table, write_report
from unprompt.ui.jobs.progress import choose_progress
from unprompt.ui.jobs.run import make_run, run_folder


def run_eval(
    name: str,
    output: Path | None,
    settings: Sequence[str],
    as_json: bool,
    texts: int = 0,
    report: bool = False,
    text_bank: bool = False,
) -> None:
    """Build what is missing of the run, print its scores; `report` also writes RUN/report."""
    config = load_config(name, settings)
    folder = run_folder(output, config)
    progress = choose_progress()
    build_run(folder, config, progress=progress)
    found = evaluate_run(folder, config, texts, text_bank)
    scores = found.scores
    if report:
        run = make_run(folder, config)
        shards = ImageShards(run.images)
        with owned(run.folder.report):
            page = write_report(
                run.folder.report,
                config.build.name,
                found,
                leak_line(found.leaks),
                lambda row: open_picture(shards.image(row["image_path"]), row["image_path"]),
            )
            write_cosines(run.folder)
        progress.note(f"report: {page}")
    if as_json:
        summary = {
            "run": config.build.name,
            "methods": [s.as_json() for s in scores],
            "leaks": found.leaks,
            "calibration_error": found.calibration_error,
            "compose_seconds": found.compose_seconds,
        }
        print(json_text(summary, indent=2))
        return
    print(score_table(scores))
    if found.calibration_error is not None:
        print(f"calibration error {found.calibration_error:.4f}", file=sys.stderr)
    if found.compose_seconds is not None:
        print(f"composing a prompt: median {1000 * found.compose_seconds:.0f} ms", file=sys.stderr)
    print(leak_line(found.leaks), file=sys.stderr)


def run_pairs(
    pairs: Path,
    bundle: Path | None,
    folder: Path | None,
    report: bool,
    as_json: bool,
    limit: int | None = None,
    texts: int = 0,
) -> None:
    """Score a bundle on labelled pairs and print the scores.

    `folder` keeps the answers; with `report` it gets a report.
    """
    progress = choose_progress()
    with owned(folder):
        found = evaluate_pairs(pairs, bundle, folder, limit, texts, progress)
        if folder is not None and report:
            name = "starter" if bundle is None else bundle.resolve().name
            page = write_pairs_report(folder, f"{name} on {pairs.resolve().name}", found)
            progress.note(f"report: {page}")
    if as_json:
        print(json_text(found.as_json(), indent=2))
        return
    print(method_table(found))
    for label, groups in found.groups.items():
        if len(groups) > 1:
            print(f"\n{group_table(groups, label)}")
    print(summary_line(found), file=sys.stderr)


def score_submission(submission: Path, truth: Path, as_json: bool) -> None:
    """Score a submission file against the true prompts, as the competition did."""
    from unprompt.index.prompt_encoders.minilm import load_prompt_encoder

    if not submission.is_file():
        raise ConfigError(f"--truth scores a submission; there is no file {submission}")
    matched = match_truth(submission, truth, load_prompt_encoder())
    prompts = group_numbers(matched.prompts)
    found: MethodScore = score(submission.name, matched.vectors, matched.truth, prompts)
    print(json_text(found.as_json(), indent=2) if as_json else score_table([found], "submission"))


def leak_line(leaks: dict[str, Any]) -> str:
    """The result of the leak check, in words."""
    line = (
        f"leak check: the highest cosine between a train and a held-out prompt is "
        f"{leaks['highest_cosine']:.6f}, under {leaks['threshold']}"
    )
    if leaks["rows_near_held_out"]:
        line += (
            f"\nWARNING: {leaks['rows_near_held_out']} rows that were added to the index are near "
            "to held-out prompts, so these scores are too high; `unprompt index remove RUN "
            "--near-held-out` removes them"
        )
    if leaks["tower_of_another_corpus"]:
        line += (
            "\nWARNING: the tower was trained on another corpus; it may have seen the prompts "
            "that are scored. Train it on this corpus, or use the corpus that it was trained on"
        )
    return line
