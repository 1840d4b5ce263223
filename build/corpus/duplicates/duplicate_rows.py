"""The duplicates that one step finds: each dropped row, the row it duplicates, their similarity."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from unprompt.index.base.tables import read_table, write_table

ROWS = pl.Schema({"row": pl.UInt32, "kept": pl.UInt32, "similarity": pl.Float64})
DUPLICATES = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "stage": pl.String,  # exact | minhash | cosine
        "near_prompt_id": pl.UInt64,  # the prompt that it duplicates
        "similarity": pl.Float64,  # to that prompt: 1 | Jaccard of the words | cosine
        "kept_prompt_id": pl.UInt64,  # the same, or the prompt that a later step kept instead
    }
)


class DuplicateRows(NamedTuple):
    """The k dropped rows, in ascending order."""

    rows: np.ndarray  # (k,) uint32
    kept: np.ndarray  # (k,) uint32: the kept row that each one duplicates, always lower
    similarity: np.ndarray  # (k,) float64

    def of(self, rows: np.ndarray) -> "DuplicateRows":
        """Translate positions in `rows` (n,) to the row numbers that it holds."""
        return DuplicateRows(rows[self.rows], rows[self.kept], self.similarity)


def duplicate_rows(
    rows: ArrayLike = (), kept: ArrayLike = (), similarity: ArrayLike = ()
) -> DuplicateRows:
    """Convert three columns (k,) to a DuplicateRows; without arguments k is 0."""
    return DuplicateRows(
        np.asarray(rows, np.uint32), np.asarray(kept, np.uint32), np.asarray(similarity, np.float64)
    )


def concat_duplicates(parts: Sequence[DuplicateRows]) -> DuplicateRows:
    """Concatenate the parts of one step; they must be in ascending order."""
    columns = zip(duplicate_rows(), *parts, strict=True)
    return DuplicateRows(*(np.concatenate(column) for column in columns))


def write_duplicates(path: Path, found: DuplicateRows) -> None:
    """Write one part atomically; the part is finished when the file exists."""
    write_table(path, pl.DataFrame(dict(zip(ROWS, found, strict=True)), schema=ROWS))


def read_duplicates(path: Path) -> DuplicateRows:
    """Read one part that `write_duplicates` wrote."""
    return DuplicateRows(*(column.to_numpy() for column in read_table(path, ROWS)))


def without_duplicates(rows: np.ndarray, found: DuplicateRows) -> np.ndarray:
    """`rows` (n,), sorted, without the dropped ones."""
    return rows[~np.isin(rows, found.rows, assume_unique=True)]


def duplicates_table(
    stage: str, dropped: pl.DataFrame, near: np.ndarray, similarity: np.ndarray
) -> pl.DataFrame:
    """DUPLICATES of one step: k dropped prompts, the ids (k,) that they duplicate, similarities."""
    return dropped.select(
        "prompt_id",
        "prompt",
        pl.lit(stage).alias("stage"),
        pl.Series("near_prompt_id", near, pl.UInt64),
        pl.Series("similarity", similarity, pl.Float64),
        pl.Series("kept_prompt_id", near, pl.UInt64),
    )


def resolve_duplicates(steps: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join the DUPLICATES of all steps; `kept_prompt_id` becomes the prompt that is in the corpus.

    A prompt that an early step keeps may be dropped by a later step.
    """
    resolved = [pl.DataFrame(schema=DUPLICATES)]
    for step in steps:
        later = step.select(kept_prompt_id="prompt_id", then="near_prompt_id")
        resolved = [_replace_kept(table, later) for table in resolved]
        resolved.append(step)
    return pl.concat(resolved)


def _replace_kept(table: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    joined = table.join(later, on="kept_prompt_id", how="left", maintain_order="left")
    kept = pl.coalesce("then", "kept_prompt_id").alias("kept_prompt_id")
    return joined.with_columns(kept).drop("then")
