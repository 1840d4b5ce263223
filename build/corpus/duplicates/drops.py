"""What a step of de-duplication drops: for each dropped row the kept row and their similarity."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.tables import read_table, write_table

DROPS = pl.Schema({"row": pl.UInt32, "kept": pl.UInt32, "similarity": pl.Float64})
DUPLICATES = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "stage": pl.String,  # exact | minhash | cosine
        "near_prompt_id": pl.UInt64,  # the prompt it was dropped for
        "similarity": pl.Float64,  # to that one: 1 | Jaccard of the words | cosine
        "kept_prompt_id": pl.UInt64,  # the same, or what a later step kept in its place
    }
)


class Drops(NamedTuple):
    """Dropped rows in rising order."""

    rows: np.ndarray  # (k,) uint32
    kept: np.ndarray  # (k,) uint32, always lower
    similarity: np.ndarray  # (k,) float64

    def of(self, rows: np.ndarray) -> "Drops":
        """The same with places in `rows` (n,) as what `rows` holds there."""
        return Drops(rows[self.rows], rows[self.kept], self.similarity)


def no_drops() -> Drops:
    """Nothing is dropped."""
    return Drops(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.float64))


def join_drops(parts: Sequence[Drops]) -> Drops:
    """Parts of one step, in order, as one."""
    return Drops(*(np.concatenate(columns) for columns in zip(no_drops(), *parts, strict=True)))


def write_drops(path: Path, drops: Drops) -> None:
    """Write one part; it is done when the file exists."""
    write_table(path, pl.DataFrame(dict(zip(DROPS, drops, strict=True)), schema=DROPS))


def read_drops(path: Path) -> Drops:
    """Read one part."""
    return Drops(*(column.to_numpy() for column in read_table(path, DROPS)))


def without(rows: np.ndarray, drops: Drops) -> np.ndarray:
    """`rows` (sorted) without the dropped ones."""
    return rows[~np.isin(rows, drops.rows, assume_unique=True)]


def name_drops(
    stage: str, dropped: pl.DataFrame, near: np.ndarray, similarity: np.ndarray
) -> pl.DataFrame:
    """DUPLICATES of one step: the dropped prompts, the ids they fell for, their similarities."""
    return dropped.select(
        "prompt_id",
        "prompt",
        pl.lit(stage).alias("stage"),
        pl.Series("near_prompt_id", near, pl.UInt64),
        pl.Series("similarity", similarity, pl.Float64),
        pl.Series("kept_prompt_id", near, pl.UInt64),
    )


def resolve_drops(steps: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The steps' DUPLICATES as one, with what is kept in the end for each dropped prompt."""
    whole: list[pl.DataFrame] = []
    for step in steps:  # what an earlier step kept may have fallen in this one
        fell = step.select(kept_prompt_id="prompt_id", then="near_prompt_id")
        whole = [_follow(table, fell) for table in whole]
        whole.append(step)
    return pl.concat([pl.DataFrame(schema=DUPLICATES), *whole])


def _follow(table: pl.DataFrame, fell: pl.DataFrame) -> pl.DataFrame:
    joined = table.join(fell, on="kept_prompt_id", how="left", maintain_order="left")
    kept = pl.coalesce("then", "kept_prompt_id").alias("kept_prompt_id")
    return joined.with_columns(kept).drop("then")
