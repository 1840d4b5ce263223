"""PROMPTS and their vectors (n, d) -> the highest cosine between splits, and rows that leak."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import PROMPTS, SPLITS, check_schema
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.vectors.matrix import ChosenRows, Matrix
from unprompt.index.vectors.nearest import ROUNDING, exact_cosines, nearest, nearest_over

BLOCK = 65_536  # rows that are compared at once
LEFT_OUT = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "nearest_prompt_id": pl.UInt64,  # the near held-out prompt
        "cosine": pl.Float64,
    }
)
LOWEST_COSINE = -1.0  # the result if there is no pair to compare


class PromptVectors(Protocol):
    """The prompts of a corpus and their vectors; row i of both is prompt i."""

    @property
    def prompts(self) -> pl.DataFrame:
        """PROMPTS, n rows."""

    @property
    def targets(self) -> np.ndarray:
        """(n, d_prompt) unit length."""


class NearHeldOut(NamedTuple):
    """The m rows that are near to a held-out prompt, each with the nearest one."""

    rows: np.ndarray  # (m,) int64, ascending
    prompt_ids: pl.Series  # (m,) of the held-out prompts
    cosines: np.ndarray  # (m,) float64


@dataclass(frozen=True)
class _Pair:
    """Two rows of different splits and their cosine."""

    cosine: float
    left: int
    right: int


def check_leaks(table: pl.DataFrame, vectors: np.ndarray, threshold: float) -> float:
    """The highest cosine between train and held-out prompts, or between validation and test.

    It is -1.0 if there is no such pair. Raises CorpusError, which names the two prompts, if it is
    at or over `threshold`. The check uses the split column only, not how it was made.
    """
    table = check_prompt_vectors(table, vectors)
    pair = _nearest_across(table["split"].to_numpy(), vectors, threshold)
    if pair.cosine >= threshold:
        first, second = table.row(pair.left, named=True), table.row(pair.right, named=True)
        raise CorpusError(
            f"the split leaks: {first['prompt']!r} ({first['split']}) and {second['prompt']!r} "
            f"({second['split']}) have a cosine of {pair.cosine:.6f}, wanted below {threshold}; "
            "split the prompts again with a leak threshold no higher than this"
        )
    return pair.cosine


def leave_out_leaks(
    other: PromptVectors, own: PromptVectors, threshold: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """PROMPTS of another corpus to train on, without leaks to held-out prompts of `own`.

    A train prompt of `other` becomes "excluded" if its cosine to a validation or test prompt of
    `own` is at or over `threshold`. The second table, LEFT_OUT, lists these prompts.
    """
    train = np.flatnonzero((other.prompts["split"] == "train").to_numpy())
    near = near_held_out(ChosenRows(other.targets, train), own, threshold)
    left_out = left_out_table(other.prompts[train], near)
    dropped = pl.col("prompt_id").is_in(left_out["prompt_id"].implode())
    split = pl.when(dropped).then(pl.lit("excluded")).otherwise("split").alias("split")
    return other.prompts.with_columns(split), left_out


def near_held_out(vectors: Matrix, own: PromptVectors, threshold: float) -> NearHeldOut:
    """The rows of `vectors` (n, d_prompt) that are near to a held-out prompt of `own`.

    Near means a cosine of `threshold` or more. `vectors` may be on disk.
    """
    held = np.flatnonzero(own.prompts["split"].is_in(["validation", "test"]).to_numpy())
    held_vectors = to_unit_length(own.targets[held])
    cosines, nearest_rows = np.full(len(vectors), -np.inf), np.full(len(vectors), -1, np.int64)
    for start in range(0, len(vectors) if len(held) else 0, BLOCK):
        span = slice(start, start + BLOCK)
        block = to_unit_length(np.asarray(vectors[span]))
        cosines[span], nearest_rows[span] = nearest_over(block, held_vectors, threshold)
    rows = np.flatnonzero(nearest_rows >= 0)
    ids = own.prompts["prompt_id"][held[nearest_rows[rows]]]
    return NearHeldOut(rows, ids, cosines[rows])


def left_out_table(prompts: pl.DataFrame, near: NearHeldOut) -> pl.DataFrame:
    """LEFT_OUT of the rows in `near`; `prompts` (n rows) has prompt_id and prompt."""
    rows = prompts[near.rows]
    return pl.DataFrame(
        {
            "prompt_id": rows["prompt_id"],
            "prompt": rows["prompt"],
            "nearest_prompt_id": near.prompt_ids,
            "cosine": near.cosines,
        },
        schema=LEFT_OUT,
    )


def check_prompt_vectors(table: pl.DataFrame, vectors: np.ndarray) -> pl.DataFrame:
    """The table as PROMPTS; raises CorpusError unless it fits the vectors and repeats no prompt."""
    table = check_schema(table, PROMPTS, "the prompt table")
    if table.height != len(vectors):
        raise CorpusError(f"{table.height} prompts but {len(vectors)} vectors; embed them again")
    unknown = sorted(set(table["split"].to_list()) - set(SPLITS), key=str)
    if unknown:
        raise CorpusError(f"unknown splits {unknown} in the prompt table; known are {SPLITS}")
    if table["prompt_id"].n_unique() != table.height:
        raise CorpusError("the prompt table holds a prompt_id twice; run `unprompt clean` first")
    return table


def _nearest_across(splits: np.ndarray, vectors: np.ndarray, threshold: float) -> _Pair:
    """The pair of rows in different splits with the highest cosine."""
    best = _Pair(LOWEST_COSINE, -1, -1)
    for held, others in (("validation", ("train", "test")), ("test", ("train",))):
        left = np.flatnonzero(splits == held)
        right = np.flatnonzero(np.isin(splits, others))
        if len(left) and len(right):
            pair = _nearest_pair(vectors, left, right, threshold)
            best = max(best, pair, key=lambda found: found.cosine)
    return best


def _nearest_pair(
    vectors: np.ndarray, left: np.ndarray, right: np.ndarray, threshold: float
) -> _Pair:
    """The pair of a row in `left` and a row in `right` with the highest cosine, which is exact."""
    # Search in `left`, the small held-out side, so that the large side is not copied.
    held = vectors[left]
    scores, found = nearest(vectors, held, 1)
    rows, cosines = found[:, 0], np.full(len(vectors), -np.inf)
    top = right[scores[right, 0] >= scores[right, 0].max() - ROUNDING]
    cosines[top] = exact_cosines(
        np.asarray(vectors[top], np.float32), np.asarray(held[rows[top]], np.float32)
    )
    if abs(float(cosines.max()) - threshold) <= ROUNDING:
        over, over_rows = nearest_over(vectors[top], held, threshold)
        leaking = over_rows >= 0
        cosines[top[leaking]], rows[top[leaking]] = over[leaking], over_rows[leaking]
    at = int(np.argmax(cosines))
    return _Pair(float(cosines[at]), int(left[rows[at]]), at)
