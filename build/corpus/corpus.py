"""The section `corpus:` -> RUN/corpus: prompts.parquet (n), targets.npy (n, d_prompt) fp16."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.cleaning.clean_rows import EXAMPLES
from unprompt.build.corpus.cleaning.normalize import groups_of, make_prompts_table
from unprompt.build.corpus.config import CorpusConfig
from unprompt.build.corpus.dedupe import (
    DedupedByWords,
    dedupe_by_vectors,
    dedupe_by_words,
    discard_work,
)
from unprompt.build.corpus.duplicates.duplicate_rows import DUPLICATES, resolve_duplicates
from unprompt.build.corpus.duplicates.vectors import VectorArray, VectorFiles, write_vectors
from unprompt.build.corpus.encode_prompts import encode_prompts
from unprompt.build.corpus.folds import FOLDS, fold_prompts
from unprompt.build.corpus.known_targets import KnownTargets
from unprompt.build.corpus.sources.collect import COLLECTED, collect
from unprompt.build.corpus.sources.prompt_files import read_nsfw, read_prompts
from unprompt.build.corpus.sources.shard_prompts import read_shard_prompts
from unprompt.build.corpus.split import split_prompts
from unprompt.index.base.durable import read_json, stable_id, write_atomically, write_json
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.row_shards import ROWS_EACH
from unprompt.index.base.tables import PROMPTS, read_table, write_table
from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.vectors.embeddings import vector_paths

PROMPTS_FILE, TARGETS_FILE, REPORT_FILE = "prompts.parquet", "targets.npy", "report.json"
MOVES_FILE, DUPLICATES_FILE, FOLDS_FILE = "moves.parquet", "duplicates.parquet", "folds.parquet"
EXAMPLES_FILE, ENCODED, WORK = "clean_examples.parquet", "encoded", "thinned"


class Corpus(NamedTuple):
    """A finished corpus."""

    prompts: pl.DataFrame  # PROMPTS, n rows
    targets: np.ndarray  # (n, d_prompt) fp16 unit length; row i belongs to prompt i
    report: dict[str, Any]

    def targets_of(self, prompt_ids: pl.Series) -> np.ndarray:
        """Target vectors (m, d_prompt) of prompt ids (m,); raises CorpusError for an unknown id."""
        return np.asarray(self.targets[self.rows_of(prompt_ids)])

    def groups_of(self, prompt_ids: pl.Series) -> np.ndarray:
        """Groups (m,) uint64 of prompt ids (m,), such as the captions of a picture; else own ids.

        Raises CorpusError for an unknown id.
        """
        return self.prompts["group_id"].to_numpy()[self.rows_of(prompt_ids)]

    def rows_of(self, prompt_ids: pl.Series) -> np.ndarray:
        """Rows (m,) int64 of prompt ids in this corpus; raises CorpusError for an unknown id."""
        rows = pl.DataFrame({"prompt_id": prompt_ids}).join(
            self.prompts.select("prompt_id").with_row_index("row"), on="prompt_id", how="left",
            maintain_order="left",
        )["row"]  # fmt: skip
        if rows.null_count():
            raise CorpusError(f"{rows.null_count()} prompt ids are not in the corpus")
        return rows.to_numpy().astype(np.int64)


def make_corpus(
    folder: Path, config: CorpusConfig, encoder: PromptEncoder, progress: Progress = SILENT
) -> Corpus:
    """Collect, clean, encode, de-duplicate, group and split; write `report.json` last."""
    collected, read_report = collect_prompts(config, folder.with_name(COLLECTED), progress)
    if config.targets:
        encoder = KnownTargets(config.targets, encoder)
    by_words = _dedupe_by_words(folder, collected, config, progress)
    encode_prompts(folder / ENCODED, by_words.table, encoder, progress)
    # The stored fp16 vectors, so that every later check sees what other stages read.
    stored = VectorFiles(vector_paths(folder / ENCODED))
    threshold = config.cosine_threshold
    by_vectors = dedupe_by_vectors(
        folder / WORK, by_words.table, stored, threshold, config.duplicates, progress
    )
    table, vectors, in_fold = by_vectors.table, by_vectors.vectors, None
    folds_report: dict[str, Any] = {}
    if config.folds is not None:
        ids = table["prompt_id"].to_numpy()
        folds, folds_report = fold_prompts(
            folder / WORK, ids, vectors, config.folds, config.duplicates, progress
        )
        write_table(folder / FOLDS_FILE, folds, FOLDS)
        table = table.with_columns(folds["group_id"])
        in_fold = None if config.fold is None else (folds["fold"] == config.fold).to_numpy()
    groups = groups_of(table["prompt_id"], collected)
    split = split_prompts(table, vectors, config.split, in_fold, groups)
    table = _cap_train(split.table, config)
    report = {
        "source": config.source,
        "read": read_report,
        "collected": collected.height,
        **by_words.report,
        "near_duplicates": by_vectors.duplicates.height,
        **({"folds": folds_report} if folds_report else {}),
        "split": split.report,
        "kept": dict(sorted(table["split"].value_counts().iter_rows())),
        "target_space": encoder.space,
    }
    duplicates = resolve_duplicates([*by_words.duplicates, by_vectors.duplicates])
    write_table(folder / DUPLICATES_FILE, duplicates, DUPLICATES)
    write_table(folder / MOVES_FILE, split.moves)
    write_table(folder / PROMPTS_FILE, table, PROMPTS)
    with write_atomically(folder / TARGETS_FILE) as temporary:
        write_vectors(temporary, np.float16, VectorArray(vectors))
    write_json(folder / REPORT_FILE, report)
    discard_work(folder / WORK)
    return Corpus(table, np.load(folder / TARGETS_FILE, mmap_mode="r"), report)


def _dedupe_by_words(
    folder: Path, collected: pl.DataFrame, config: CorpusConfig, progress: Progress
) -> DedupedByWords:
    """Clean and de-duplicate as the settings say; the defaults change nothing."""
    if config.clean is None and not config.duplicates.by_words:
        return DedupedByWords(collected, [], pl.DataFrame(schema=EXAMPLES), {})
    rows = collected
    if config.clean is not None and config.clean.max_nsfw is not None and config.source == "files":
        paths = [Path(path) for path in config.paths]
        scores = read_nsfw(paths, config.column, config.clean.nsfw_column)
        rows = collected.join(scores, on="prompt", how="left", maintain_order="left")
    slices = list(rows.iter_slices(ROWS_EACH))
    chunks = progress.track(slices, "clean", len(slices))
    by_words = dedupe_by_words(folder / WORK, chunks, config.clean, config.duplicates, progress)
    write_table(folder / EXAMPLES_FILE, by_words.examples, EXAMPLES)
    return by_words


def read_corpus(folder: Path) -> Corpus:
    """Read a corpus that `make_corpus` wrote; the targets are a memory map."""
    prompts = read_table(folder / PROMPTS_FILE, PROMPTS)
    targets = np.load(folder / TARGETS_FILE, mmap_mode="r", allow_pickle=False)
    return Corpus(prompts, targets, read_json(folder / REPORT_FILE))


def collect_prompts(
    config: CorpusConfig, cache: Path, progress: Progress = SILENT
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The distinct prompts of the source as a PROMPTS table, and counts of the rows read.

    `cache` is a folder for the prompts of collections, so that a killed run reads no file twice.
    """
    report: dict[str, Any] = {}
    if config.collections:
        raw, counts = collect(config.collections, cache, progress)
        report = {"collections": counts}
    elif config.source == "files":
        paths = [Path(path) for path in config.paths]
        raw, report = read_prompts(paths, config.column, config.captions)
    elif config.source == "shards":
        raw, report = read_shard_prompts(Path(config.paths[0]), config.captions)
    else:
        from unprompt.build.scenes.grammar import sample_prompts

        prompts = sample_prompts(config.count, config.seed)
        raw = pl.DataFrame({"prompt": prompts, "source": ["scenes"] * len(prompts)})
    return make_prompts_table(raw), report


def _cap_train(table: pl.DataFrame, config: CorpusConfig) -> pl.DataFrame:
    """Keep `max_train` train prompts, drawn by the seed and the ids; the others are excluded."""
    train = table.filter(pl.col("split") == "train")["prompt_id"].to_list()
    if config.max_train is None or len(train) <= config.max_train:
        return table
    drawn = sorted(train, key=lambda prompt_id: stable_id("train", config.seed, prompt_id))
    surplus = pl.Series(drawn[config.max_train :], dtype=pl.UInt64)
    return table.with_columns(
        pl.when(pl.col("prompt_id").is_in(surplus.implode()))
        .then(pl.lit("excluded"))
        .otherwise("split")
        .alias("split")
    )
