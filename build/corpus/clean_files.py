"""Prompt files -> one parquet file of distinct, cleaned prompts, and a record of the others.

NAME.parquet             prompt_id, prompt, source, group_id; fold if `folds` is set
NAME.duplicates.parquet  DUPLICATES: each dropped prompt and the prompt that it duplicates
NAME.examples.parquet    EXAMPLES: some of the prompts that each rule changed or dropped
NAME.report.json         settings, digests of the files, counts; written last
NAME.work/               intermediate files of a killed run; deleted at the end
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.cleaning.clean_rows import EXAMPLES
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.dedupe import dedupe_by_vectors, dedupe_by_words, discard_work
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.duplicate_rows import DUPLICATES, resolve_duplicates
from unprompt.build.corpus.duplicates.vectors import VectorFiles
from unprompt.build.corpus.encode_prompts import encode_prompts
from unprompt.build.corpus.folds import FoldsConfig, fold_prompts
from unprompt.build.corpus.sources.prompt_files import PromptFiles
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
    """Settings of `unprompt clean`; the sections are those of the section `corpus:`."""

    column: str | None = None  # of the prompts in a csv, tsv, parquet or jsonl file
    clean: CleanConfig = Field(default_factory=CleanConfig)
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig)
    folds: FoldsConfig | None = None


class CleanedFiles:
    """The paths that belong to one output; raises ConfigError unless it ends in .parquet."""

    def __init__(self, output: Path):
        if output.suffix.lower() != ".parquet":
            raise ConfigError(f"--output must end in .parquet, got {output}")
        self.prompts = output
        self.duplicates = output.with_suffix(".duplicates.parquet")
        self.examples = output.with_suffix(".examples.parquet")
        self.report = output.with_suffix(".report.json")
        self.work = output.with_suffix(".work")

    def delete(self) -> None:
        """Delete all files and the work folder."""
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
    """Clean, de-duplicate and write; returns the report.

    A finished output with the same settings and files is not written again. Raises ConfigError if
    the output has other ones.
    """
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
            "--output, or pass --overwrite to replace it"
        )
    StageLedger(files.work).begin(STAGE, settings)
    report = {**settings, "digest": digest_json(settings)}
    report |= _make(files, source, config, load_encoder, progress)
    write_json(files.report, report)
    discard_work(files.work)
    return dict(read_json(files.report))  # keys in the same order as on a rerun


def _make(
    files: CleanedFiles,
    source: PromptFiles,
    config: CleanFilesConfig,
    load_encoder: Callable[[], PromptEncoder],
    progress: Progress,
) -> dict[str, Any]:
    """Write the tables; returns the counts."""
    by_words = dedupe_by_words(files.work, source, config.clean, config.duplicates, progress)
    table, steps, counts = by_words.table, by_words.duplicates, by_words.report["duplicates"]
    folds_report: dict[str, Any] = {}
    if table.height and (config.duplicates.cosine is not None or config.folds is not None):
        encoded = files.work / "encoded"
        encode_prompts(encoded, table, load_encoder(), progress)
        stored, threshold = VectorFiles(vector_paths(encoded)), config.duplicates.cosine
        by_vectors = dedupe_by_vectors(
            files.work, table, stored, threshold, config.duplicates, progress
        )
        table, steps = by_vectors.table, [*steps, by_vectors.duplicates]
        counts = {**counts, "cosine": by_vectors.duplicates.height}
        if config.folds is not None:
            ids = table["prompt_id"].to_numpy()
            folds, folds_report = fold_prompts(
                files.work, ids, by_vectors.vectors, config.folds, config.duplicates, progress
            )
            table = table.with_columns(folds["group_id"], folds["fold"])
    write_table(files.duplicates, resolve_duplicates(steps), DUPLICATES)
    write_table(files.examples, by_words.examples, EXAMPLES)
    write_table(files.prompts, table.drop("split"))
    return {
        "read": source.report,
        "cleaned": by_words.report["cleaned"],
        "duplicates": counts,
        **({"folds": folds_report} if folds_report else {}),
        "kept": table.height,
    }
