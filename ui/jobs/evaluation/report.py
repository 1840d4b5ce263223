"""The scores of a run -> a report to look at: report.md with plots and the best and worst cases."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from unprompt.index.base.durable import write_atomically
from unprompt.inversion.estimate.confidence import calibration_error, measure_reliability
from unprompt.inversion.fit.evaluate import HeldOutPredictions, MethodScore, breakdown
from unprompt.ui.jobs.evaluation.evaluate_run import Evaluation
from unprompt.ui.jobs.evaluation.plots import Bar, plot_bars, plot_reliability

CASES = 6
LENGTHS = (5, 10, 15, 20)  # upper limits of the groups, in words
Pictures = Callable[[dict[str, Any]], Image.Image | None]


def write_report(folder: Path, name: str, run: Evaluation, leaks: str, pictures: Pictures) -> Path:
    """Write report.md, its plots and its pictures into `folder`; returns the path of report.md."""
    folder.mkdir(parents=True, exist_ok=True)
    bars = [Bar(score.method, score.mean_cosine, score.ci95) for score in run.scores]
    plot_bars(bars, "mean cosine to the true prompt's vector", folder / "methods.png")
    parts = [
        f"# {name}",
        "",
        score_table(run.scores),
        "",
        "![mean cosine by method](methods.png)",
        "",
        leaks,
        "",
        *_trust(run.predictions, folder),
        "## By source",
        "",
        score_table(breakdown(run.predictions, run.sources), "source"),
        "",
        "## By length of the prompt",
        "",
        score_table(breakdown(run.predictions, lengths(run.predictions.rows)), "words"),
        "",
        *_cases(run.predictions, folder, pictures),
    ]
    page = folder / "report.md"
    with write_atomically(page) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return page


def score_table(scores: Sequence[MethodScore], column: str = "method") -> str:
    """The scores as an aligned Markdown table."""
    width = max(14, *(len(score.method) for score in scores))
    lines = [
        f"| {column:<{width}} | mean cosine | 95% interval     |    n |",
        f"| {'-' * width} | ----------: | ---------------- | ---: |",
    ]
    for score in scores:
        low, high = score.ci95
        lines.append(
            f"| {score.method:<{width}} | {score.mean_cosine:>11.4f} | {low:.4f} - {high:.4f}  "
            f"| {score.n:>4} |"
        )
    return "\n".join(lines)


def lengths(rows: pl.DataFrame) -> pl.Series:
    """The group of each prompt by its number of words, such as `6 to 10`."""
    counts = rows["caption"].str.split(" ").list.len().to_numpy()
    edges = (0, *LENGTHS)
    names = [f"{low + 1} to {high}" for low, high in zip(edges, LENGTHS, strict=False)]
    names.append(f"over {LENGTHS[-1]}")
    return pl.Series("words", [names[place] for place in np.searchsorted(LENGTHS, counts)])


def _trust(predictions: HeldOutPredictions, folder: Path) -> list[str]:
    if predictions.expected is None:
        return []
    bins = measure_reliability(predictions.expected, predictions.cosines)
    plot_reliability({"test pictures": bins}, folder / "reliability.png")
    return [
        "## Trust",
        "",
        f"Calibration error on the test pictures: {calibration_error(bins):.4f}.",
        "",
        "![expected and found](reliability.png)",
        "",
    ]


def _cases(predictions: HeldOutPredictions, folder: Path, pictures: Pictures) -> list[str]:
    """The worst and the best answers, with their pictures where these exist."""
    order = np.argsort(predictions.cosines, kind="stable")
    lines = []
    for title, places in (("Worst", order[:CASES]), ("Best", order[::-1][:CASES])):
        lines += [f"## {title} cases", "", "| picture | cosine | prompt |", "| --- | ---: | --- |"]
        for place in places:
            row = predictions.rows.row(int(place), named=True)
            picture = pictures(row)
            shown = ""
            if picture is not None:
                name = f"{title.lower()}-{row['image_path']}.webp"
                with write_atomically(folder / name) as temporary:
                    picture.convert("RGB").save(temporary, "WEBP", quality=85)
                shown = f"![]({name})"
            prompt = row["caption"].replace("|", "\\|")
            lines.append(f"| {shown} | {predictions.cosines[place]:.3f} | {prompt} |")
        lines.append("")
    return lines
