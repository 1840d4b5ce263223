"""Chunks of raw prompts -> PROMPTS: cleaned, and without those that others say in the same words.

FOLDER/rows/      cleaned prompts, shard by shard
FOLDER/minhash/   near-duplicates by words

What is finished there is not done again. Only the prompts that are left are all in memory.
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
from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.drops import Drops, name_drops, no_drops, without
from unprompt.build.corpus.duplicates.keys import drop_equal
from unprompt.build.corpus.duplicates.lexical import LexicalStep
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.row_shards import RowShards
from unprompt.index.base.tables import PROMPTS

IDENTICAL = "identical"  # in the report only: such a row has the id of the one that stays


@dataclass(frozen=True)
class Worded:
    """The prompts that are left, what was dropped for which (DUPLICATES), and the counts."""

    table: pl.DataFrame  # PROMPTS, all "train"
    duplicates: list[pl.DataFrame]
    examples: pl.DataFrame
    report: dict[str, Any]


def thin_by_words(
    folder: Path,
    chunks: Iterable[pl.DataFrame],
    clean: CleanConfig | None,
    duplicates: DuplicatesConfig,
    progress: Progress = SILENT,
) -> Worded:
    """Clean the chunks (prompt, source, perhaps nsfw) and drop what is equal or alike in words."""
    clean_shards(folder / "rows", chunks, clean)
    shards = RowShards(folder / "rows")
    ids = shards.column("prompt_id")
    equal = drop_equal(shards.column("key") if duplicates.exact else ids)
    same = ids[equal.rows] == ids[equal.kept]
    rows = without(np.arange(shards.height, dtype=np.uint32), equal)
    alike = no_drops()
    if duplicates.minhash is not None and len(rows):
        step = LexicalStep(
            folder / "minhash", shards, rows, duplicates.minhash, duplicates.permutations, progress
        )
        alike = step.run().of(rows)
        rows = without(rows, alike)
    named = [
        _name("exact", shards, ids, Drops(*(column[~same] for column in equal))),
        _name("minhash", shards, ids, alike),
    ]
    report = {
        "cleaned": sum_counts(shards),
        "duplicates": {
            IDENTICAL: int(same.sum()), "exact": int((~same).sum()), "minhash": len(alike.rows)
        },
    }  # fmt: skip
    return Worded(_as_prompts(shards.take(rows)), named, read_examples(shards), report)


def discard_work(folder: Path) -> None:
    """Delete a folder of shards so that a kill leaves all of it, or nothing that counts."""
    doomed = folder.with_name(folder.name + ".deleted")
    shutil.rmtree(doomed, ignore_errors=True)
    if folder.is_dir():
        os.replace(folder, doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _name(stage: str, shards: RowShards, ids: np.ndarray, drops: Drops) -> pl.DataFrame:
    return name_drops(stage, shards.take(drops.rows), ids[drops.kept], drops.similarity)


def _as_prompts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col("prompt_id").alias("group_id"), pl.lit("train", pl.String).alias("split")
    ).select(list(PROMPTS))
