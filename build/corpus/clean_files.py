"""Prompt files -> one parquet file of distinct, cleaned prompts, and what became of the others.

NAME.parquet             prompt_id, prompt, source, group_id, and fold where there are folds
NAME.duplicates.parquet  what fell for which prompt: duplicates/drops.py
NAME.examples.parquet    some of the prompts that each rule changed or dropped
NAME.report.json         settings, files, counts; written last
NAME.work/               what a killed run goes on from; deleted in the end
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.cleaning.clean_rows import EXAMPLES
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.cleaning.inputs import PromptFiles
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.drops import DUPLICATES, resolve_drops
from unprompt.build.corpus.duplicates.vectors import VectorFiles
from unprompt.build.corpus.encode_prompts import encode_prompts
from unprompt.build.corpus.folds import FoldsConfig, fold_prompts
from unprompt.build.corpus.thin_vectors import thin_by_vectors
from unprompt.build.corpus.thin_words import discard_work, thin_by_words
from unprompt.index.base.durable import digest_file, digest_json, read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT, write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.base.tables import write_table
from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.vectors.embeddings import vector_paths

STAGE = "clean"


@dataclass(frozen=True, config=STRICT)
class CleanFilesConfig:
    """What `unprompt clean` does; the sections are those of a corpus."""

    column: str | None = None  # of a csv, tsv, parquet or jsonl file
    clean: CleanConfig = Field(default_factory=CleanConfig)
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig)
    folds: FoldsConfig | None = None


class CleanedFiles:
    """The files that belong to one output."""

    def __init__(self, output: Path):
        if output.suffix.lower() != ".parquet":
            raise ConfigError(f"--output must end in .parquet, got {output}")
        self.prompts = output
        self.duplicates = output.with_suffix(".duplicates.parquet")
        self.examples = output.with_suffix(".examples.parquet")
        self.report = output.with_suffix(".report.json")
        self.work = output.with_suffix(".work")

    def delete(self) -> None:
        """Delete all of them."""
        for path in (self.report, self.prompts, self.duplicates, self.examples):
            path.unlink(missing_ok=True)
        discard_work(self.work)


def clean_files(
    paths: Sequence[Path],
    files: CleanedFiles,
    config: CleanFilesConfig,
    load_encoder: Callable[[], PromptEncoder],
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Clean, de-duplicate and write; the report. What a finished run wrote is left as it is."""
    nsfw = None if config.clean.max_nsfw is None else config.clean.nsfw_column
    source = PromptFiles(paths, config.column, nsfw, progress)
    settings = {
        "settings": write_settings(config),
        "files": {str(path): digest_file(path) for path in paths},
    }
    if files.report.is_file():
        finished = read_json(files.report)
        if finished["digest"] == digest_json(settings):
            return dict(finished)
        raise ConfigError(
            f"{files.prompts} was made with other settings or of other files; choose another "
            "--output, or --overwrite to make it anew"
        )
    StageLedger(files.work).begin(STAGE, settings)
    report = {**settings, "digest": digest_json(settings)}
    report |= _make(files, source, config, load_encoder, progress)
    write_json(files.report, report)
    discard_work(files.work)
    return dict(read_json(files.report))  # in the order that a rerun finds it in


def _make(
    files: CleanedFiles,
    source: PromptFiles,
    config: CleanFilesConfig,
    load_encoder: Callable[[], PromptEncoder],
    progress: Progress,
) -> dict[str, Any]:
    """Write the tables; the counts."""
    worded = thin_by_words(files.work, source, config.clean, config.duplicates, progress)
    table, steps, counts = worded.table, worded.duplicates, worded.report["duplicates"]
    folds_report: dict[str, Any] = {}
    if table.height and (config.duplicates.cosine is not None or config.folds is not None):
        encoded = files.work / "encoded"
        encode_prompts(encoded, table, load_encoder(), progress)
        near = thin_by_vectors(
            files.work, table, VectorFiles(vector_paths(encoded)), config.duplicates.cosine,
            config.duplicates, progress,
        )  # fmt: skip
        table, steps = near.table, [*steps, near.duplicates]
        counts = {**counts, "cosine": near.duplicates.height}
        if config.folds is not None:
            ids = table["prompt_id"].to_numpy()
            folds, folds_report = fold_prompts(
                files.work, ids, near.vectors, config.folds, config.duplicates, progress
            )
            table = table.with_columns(folds["group_id"], folds["fold"])
    write_table(files.duplicates, resolve_drops(steps), DUPLICATES)
    write_table(files.examples, worded.examples, EXAMPLES)
    write_table(files.prompts, table.drop("split"))
    return {
        "read": source.report,
        "cleaned": worded.report["cleaned"],
        "duplicates": counts,
        **({"folds": folds_report} if folds_report else {}),
        "kept": table.height,
    }
