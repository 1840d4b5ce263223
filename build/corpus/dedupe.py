"""Raw prompts -> PROMPTS without duplicates: first by words, then by vectors.

FOLDER/rows/       cleaned prompts, shard by shard
FOLDER/minhash/    near-duplicates by words
FOLDER/cosine/     near-duplicates by vectors, above `exact_rows`
FOLDER/kept.npy    vectors of the remaining prompts, above `exact_rows`

A killed run continues with the files in FOLDER. Memory holds the remaining prompts only.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.build.corpus.cleaning.clean_shards import clean_shards, read_examples, sum_counts
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.cleaning.normalize import in_train
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.cosine import drop_by_index, drop_exactly
from unprompt.build.corpus.duplicates.duplicate_rows import (
    DuplicateRows,
    duplicate_rows,
    duplicates_table,
    without_duplicates,
)
from unprompt.build.corpus.duplicates.keys import drop_equal
from unprompt.build.corpus.duplicates.lexical import LexicalStep
from unprompt.build.corpus.duplicates.vectors import Vectors, write_vectors
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.row_shards import RowShards
from unprompt.index.base.tables import PROMPTS, check_schema
from unprompt.index.vectors.nearest import unit_rows

IDENTICAL = "identical"  # in the report only: such a row has the id of the kept prompt


@dataclass(frozen=True)
class DedupedByWords:
    """The result of `dedupe_by_words`."""

    table: pl.DataFrame  # PROMPTS, all in "train"
    duplicates: list[pl.DataFrame]  # DUPLICATES, one table per step
    examples: pl.DataFrame  # EXAMPLES
    report: dict[str, Any]


@dataclass(frozen=True)
class DedupedByVectors:
    """The result of `dedupe_by_vectors`."""

    table: pl.DataFrame  # PROMPTS, n rows
    vectors: np.ndarray  # (n, d) float32 unit length, in memory or a memory map of `kept.npy`
    duplicates: pl.DataFrame  # DUPLICATES


def dedupe_by_words(
    folder: Path,
    chunks: Iterable[pl.DataFrame],
    clean: CleanConfig | None,
    duplicates: DuplicatesConfig,
    progress: Progress = SILENT,
) -> DedupedByWords:
    """Clean the chunks (prompt, source, perhaps nsfw) and drop duplicates by their words.

    Every run must pass the same chunks for the same `folder`.
    """
    clean_shards(folder / "rows", chunks, clean)
    shards = RowShards(folder / "rows")
    ids = shards.column("prompt_id")
    equal = drop_equal(shards.column("key") if duplicates.exact else ids)
    same = ids[equal.rows] == ids[equal.kept]
    rows = without_duplicates(np.arange(shards.height, dtype=np.uint32), equal)
    near = duplicate_rows()
    if duplicates.minhash is not None and len(rows):
        step = LexicalStep(
            folder / "minhash", shards, rows, duplicates.minhash, duplicates.permutations, progress
        )
        near = step.run().of(rows)
        rows = without_duplicates(rows, near)
    exact = DuplicateRows(*(column[~same] for column in equal))
    tables = [
        duplicates_table(stage, shards.take(found.rows), ids[found.kept], found.similarity)
        for stage, found in (("exact", exact), ("minhash", near))
    ]
    report = {
        "cleaned": sum_counts(shards),
        "duplicates": {
            IDENTICAL: int(same.sum()), "exact": len(exact.rows), "minhash": len(near.rows)
        },
    }  # fmt: skip
    return DedupedByWords(in_train(shards.take(rows)), tables, read_examples(shards), report)


def dedupe_by_vectors(
    folder: Path,
    table: pl.DataFrame,
    vectors: Vectors,
    threshold: float | None,
    config: DuplicatesConfig,
    progress: Progress = SILENT,
) -> DedupedByVectors:
    """Drop each row of PROMPTS whose cosine to an earlier, kept row is at or over `threshold`.

    Row i of `vectors` (n, d) belongs to row i of `table`. None, or 1.0 and above, keeps all rows.
    Up to `config.exact_rows` rows the result is exact; above, a near pair may be missed. Raises
    CorpusError if the heights differ, ConfigError if the threshold is 0 or less.
    """
    table = check_schema(table, PROMPTS, "the prompt table")
    if table.height != len(vectors):
        raise CorpusError(f"{table.height} prompts but {len(vectors)} vectors; embed them again")
    if threshold is not None and not threshold > 0.0:
        raise ConfigError(f"a de-duplication threshold must be over 0, got {threshold}")
    every = np.arange(table.height, dtype=np.uint32)
    in_memory = None
    if table.height <= config.exact_rows:
        in_memory = unit_rows(vectors.take(every), "prompt vectors")
    found = duplicate_rows()
    if threshold is not None and threshold < 1.0:
        found = (
            drop_by_index(folder / "cosine", vectors, threshold, config.probe, progress)
            if in_memory is None
            else drop_exactly(in_memory, threshold)
        )
    rows = without_duplicates(every, found)
    near = table["prompt_id"].to_numpy()[found.kept]
    duplicates = duplicates_table("cosine", table[found.rows], near, found.similarity)
    if in_memory is not None:
        return DedupedByVectors(table[rows], in_memory[rows], duplicates)
    with write_atomically(folder / "kept.npy") as temporary:
        write_vectors(temporary, np.float32, vectors, rows)
    return DedupedByVectors(table[rows], np.load(folder / "kept.npy", mmap_mode="r"), duplicates)


def discard_work(folder: Path) -> None:
    """Delete a work folder by a rename first, so that a kill leaves all of it or none of it."""
    deleted = folder.with_name(folder.name + ".deleted")
    shutil.rmtree(deleted, ignore_errors=True)
    if folder.is_dir():
        os.replace(folder, deleted)
        shutil.rmtree(deleted, ignore_errors=True)
