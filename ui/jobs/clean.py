"""`unprompt clean`: prompt files and settings -> cleaned files, a report as table or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.build.corpus.clean_files import CleanedFiles, CleanFilesConfig, clean_files
from unprompt.build.corpus.cleaning.clean_rows import EXAMPLES
from unprompt.index.base.owner import owned
from unprompt.index.base.settings import read_settings
from unprompt.index.base.tables import read_table
from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.texts.json_text import json_text
from unprompt.index.texts.visible import visible
from unprompt.ui.jobs.config import override_setting
from unprompt.ui.jobs.progress import choose_progress

DEFAULTS = {"clean": {"preset": "light"}, "duplicates": {"preset": "kaggle-1st"}}
STEPS = {
    "identical": "after cleaning",
    "exact": "except for case and punctuation",
    "minhash": "except for a few words",
    "cosine": "in meaning",
}


@dataclass(frozen=True)
class CleanRequest:
    """The arguments of `unprompt clean`."""

    paths: tuple[Path, ...]
    output: Path
    column: str | None
    settings: tuple[str, ...]
    examples: int


def run_clean(request: CleanRequest, as_json: bool, overwrite: bool) -> None:
    """Clean the files unless that is done, and print the report."""
    config = clean_config(request)
    files = CleanedFiles(request.output)
    with owned(files.prompts):
        if overwrite:
            files.delete()
        report = clean_files(request.paths, files, config, _load_encoder, choose_progress())
    if as_json:
        print(json_text(report, indent=2))
        return
    _show(report, files, request.examples)


def clean_config(request: CleanRequest) -> CleanFilesConfig:
    """The defaults, overridden by the user's settings; raises ConfigError for wrong ones."""
    content: dict[str, Any] = {name: dict(section) for name, section in DEFAULTS.items()}
    content["column"] = request.column
    for setting in request.settings:
        override_setting(content, setting.removeprefix("corpus."))
    return read_settings(CleanFilesConfig, content, "--set")


def _load_encoder() -> PromptEncoder:
    from unprompt.index.engines.devices import load_target_encoder

    return load_target_encoder()


def _show(report: Mapping[str, Any], files: CleanedFiles, examples: int) -> None:
    """Print the report as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    cleaned = report["cleaned"]
    counts = Table("step", "prompts", title=f"{cleaned['read']} prompts read")
    for kind, what in (("rewrite", "rewritten"), ("drop", "dropped")):
        for rule, rows in cleaned[kind].items():
            counts.add_row(f"{what}: {rule}", str(rows))
        counts.add_section()
    for step, what in STEPS.items():
        if step in report["duplicates"]:
            counts.add_row(f"duplicate {what}: {step}", str(report["duplicates"][step]))
    counts.add_section()
    counts.add_row("kept", str(report["kept"]))
    console.print(counts)
    if examples:
        console.print(_examples_table(files, examples))
    print(files.prompts)


def _examples_table(files: CleanedFiles, examples: int) -> Any:
    from rich.markup import escape
    from rich.table import Table

    shown = Table("rule", "prompt", "becomes", show_lines=True)
    table = read_table(files.examples, EXAMPLES)
    for rule, _, prompt, result in (
        table.group_by("rule", maintain_order=True)
        .head(examples)
        .select(list(EXAMPLES))
        .iter_rows()
    ):
        becomes = "dropped" if result is None else escape(visible(result))
        shown.add_row(rule, escape(visible(prompt)), becomes)
    return shown
