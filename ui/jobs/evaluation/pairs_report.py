"""The scores of labelled pairs -> tables for the terminal, and report.md with plots and cases."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.durable import write_atomically, write_json
from unprompt.index.base.errors import UnpromptError
from unprompt.index.base.tables import write_table
from unprompt.index.images.pictures import open_picture
from unprompt.index.pairs.labelled_pairs import read_labelled_picture
from unprompt.inversion.estimate.confidence import Reliability, measure_reliability
from unprompt.inversion.fit.by_prompt import SUCCESS, PromptScore
from unprompt.ui.jobs.evaluation.pairs import (
    LABELS,
    PICTURES_PER_BIN,
    GroupScore,
    PairsEvaluation,
)
from unprompt.ui.jobs.evaluation.plots import Bar, plot_bars, plot_reliability

CASES = 6
SHOWN_FAULTS = 10
LONGEST = 300  # characters of a prompt in the report
MOST_BARS = 25  # groups in a plot
SIDE = 256  # pixels of a picture in the report
MEASURE = "mean cosine to the true prompt's vector"


def write_pairs_report(folder: Path, name: str, found: PairsEvaluation) -> Path:
    """Write report.md, plots, scores.json and pairs.parquet into `folder`; returns report.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scores.json", found.as_json())
    write_table(folder / "pairs.parquet", found.table.drop("path", "offset", "size"))
    bars = [Bar(score.name, score.mean_cosine, score.ci95) for score in found.methods]
    plot_bars(bars, MEASURE, folder / "methods.png")
    parts = [f"# {name}", "", "## Methods", "", method_table(found), ""]
    parts += ["![mean cosine by method](methods.png)", "", *_worlds(found)]
    parts += _trust(found, folder)
    for label in LABELS:
        parts += _groups(found, label, folder)
    parts += [*_cases(found.table, folder), *_faults(found)]
    page = folder / "report.md"
    with write_atomically(page) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return page


def method_table(found: PairsEvaluation) -> str:
    """The score of every method as an aligned Markdown table."""
    over = {score.name: score for score in found.over_sources}
    head = ["method", "mean cosine", "95% interval", f"above {SUCCESS}", "over sources", "n"]
    lines = [
        [
            score.name,
            f"{score.mean_cosine:.4f}",
            f"{score.ci95[0]:.4f} - {score.ci95[1]:.4f}",
            f"{score.success:.1%}",
            f"{over[score.name].mean_cosine:.4f}" if score.name in over else "",
            _count(score),
        ]
        for score in found.methods
    ]
    return _table(head, lines)


def group_table(groups: Sequence[GroupScore], label: str) -> str:
    """The scores of groups as an aligned Markdown table."""
    head = [
        label, "mean cosine", "95% interval", f"above {SUCCESS}", "constant", "class bank",
        "calibration error", "promised", "outside", "blank", "n",
    ]  # fmt: skip
    lines = [
        [
            group.answer.name,
            f"{group.answer.mean_cosine:.4f}",
            f"{group.answer.ci95[0]:.4f} - {group.answer.ci95[1]:.4f}",
            f"{group.answer.success:.1%}",
            f"{group.constant:.4f}",
            _number(group.class_bank),
            _number(group.calibration_error),
            _number(group.promised, "+.4f"),
            f"{group.outside:.1%}",
            f"{group.blank:.1%}",
            _count(group.answer),
        ]
        for group in groups
    ]
    return _table(head, lines)


def summary_line(found: PairsEvaluation) -> str:
    """Calibration, shares of the worlds and failed pairs, in words."""
    parts = []
    if found.overall.calibration_error is not None:
        parts.append(f"calibration error {found.overall.calibration_error:.4f}")
    parts.append(f"{found.overall.outside:.1%} called outside")
    if set(found.worlds) != {"-"}:
        parts += [f"{share:.1%} answered by {name}" for name, share in found.worlds.items()]
    if found.failed.height:
        first = found.failed.row(0, named=True)
        parts.append(
            f"{found.failed.height} pairs left out, such as {first['name']}: {first['fault']}"
        )
    return "; ".join(parts)


def _worlds(found: PairsEvaluation) -> list[str]:
    shares = [] if set(found.worlds) == {"-"} else [*found.worlds.items()]
    lines = [f"- {share:.1%} of the pictures are answered by the world {w}." for w, share in shares]
    return [*lines, f"- {found.overall.outside:.1%} of the pictures are called outside.", ""]


def _trust(found: PairsEvaluation, folder: Path) -> list[str]:
    if found.overall.calibration_error is None:
        return []
    curves = {}
    for kind in found.table["kind"].unique(maintain_order=True).to_list():
        bins = _bins(found.table.filter(pl.col("kind") == kind))
        if bins:
            curves[kind] = bins
    plot_reliability(curves, folder / "reliability.png")
    return [
        "## Trust",
        "",
        f"Calibration error of all pictures with an expected cosine: "
        f"{found.overall.calibration_error:.4f}. `promised` is the mean expected minus the mean "
        "found cosine: above 0 promises too much.",
        "",
        "![expected and found, by kind](reliability.png)",
        "",
    ]


def _bins(table: pl.DataFrame) -> tuple[Reliability, ...]:
    known = table.filter(pl.col("expected_cosine").is_not_null())
    expected, cosines = known["expected_cosine"].to_numpy(), known["answer"].to_numpy()
    return measure_reliability(expected, cosines, max(1, known.height // PICTURES_PER_BIN))


def _groups(found: PairsEvaluation, label: str, folder: Path) -> list[str]:
    groups = found.groups[label]
    if len(groups) < 2:
        return []
    name = f"by-{label}.png"
    bars = [
        Bar(group.answer.name, group.answer.mean_cosine, group.answer.ci95, group.constant)
        for group in groups[:MOST_BARS]
    ]
    plot_bars(bars, MEASURE, folder / name, "constant")
    lines = [f"## By {label}", "", group_table(groups, label), "", f"![by {label}]({name})", ""]
    return lines


def _cases(table: pl.DataFrame, folder: Path) -> list[str]:
    """The worst and the best answers, with their pictures."""
    lines = []
    ordered = table.sort("answer", "name")
    for title, cases in (("Worst", ordered.head(CASES)), ("Best", ordered.reverse().head(CASES))):
        lines += [f"## {title} cases", ""]
        lines += ["| picture | cosine | expected | true prompt | answer |"]
        lines += ["| --- | ---: | ---: | --- | --- |"]
        for place, row in enumerate(cases.iter_rows(named=True), 1):
            shown = _picture(row, folder, f"{title.lower()}-{place}.webp")
            expected = _number(row["expected_cosine"], ".3f")
            truth, answer = _cell(row["prompts"][0]), _cell(row["prompt"] or "")
            lines.append(f"| {shown} | {row['answer']:.3f} | {expected} | {truth} | {answer} |")
        lines.append("")
    return lines


def _picture(row: dict[str, Any], folder: Path, name: str) -> str:
    """Save a small copy of a picture; returns its Markdown, empty where it cannot be read."""
    try:
        picture = open_picture(read_labelled_picture(row), row["name"])
    except UnpromptError:
        return ""
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=85)
    with write_atomically(folder / name) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return f"![]({name})"


def _faults(found: PairsEvaluation) -> list[str]:
    if not found.failed.height:
        return []
    shown = found.failed.head(SHOWN_FAULTS).iter_rows(named=True)
    return [
        "## Pairs left out",
        "",
        f"{found.failed.height} pairs have no score. The first:",
        "",
        *(f"- {row['name']}: {row['fault']}" for row in shown),
    ]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    rows = [
        " | ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (head, rule, *lines)
    ]
    return "\n".join(f"| {row} |" for row in rows)


def _count(score: PromptScore) -> str:
    if score.prompts == score.pictures:
        return str(score.pictures)
    return f"{score.pictures} ({score.prompts} prompts)"


def _number(value: float | None, form: str = ".4f") -> str:
    return "" if value is None else format(value, form)


def _cell(text: str) -> str:
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return " ".join(short.split()).replace("|", "\\|")
