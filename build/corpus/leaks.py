"""How near the splits are to each other: PROMPTS table and vectors (n, d) -> the highest cosine."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import PROMPTS, SPLITS, check_schema
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.vectors.matrix import ChosenRows, Matrix
from unprompt.index.vectors.nearest import ROUNDING, exact_cosines, nearest, nearest_over

BLOCK = 65_536  # rows compared at once
LEFT_OUT = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "nearest_prompt_id": pl.UInt64,  # the held-out prompt it comes near to
        "cosine": pl.Float64,
    }
)
# What no cosine falls below: the answer where there is no pair to measure.
LOWEST_COSINE = -1.0


class PromptVectors(Protocol):
    """A corpus: prompts and, row by row, their vectors."""

    @property
    def prompts(self) -> pl.DataFrame:
        """PROMPTS, n rows."""

    @property
    def targets(self) -> np.ndarray:
        """(n, d_prompt) unit length."""


class NearHeldOut(NamedTuple):
    """Rows that come near to a held-out prompt, the nearest one, and how near."""

    rows: np.ndarray  # (m,) int64, rising
    prompt_ids: pl.Series
    cosines: np.ndarray  # (m,) float64


@dataclass(frozen=True)
class _Pair:
    """Two rows of the table, each of another split, and their cosine."""

    cosine: float
    left: int
    right: int


def check_leaks(table: pl.DataFrame, vectors: np.ndarray, threshold: float) -> float:
    """The highest cosine between train and held-out prompts, and between validation and test.

    Raises CorpusError naming the two prompts where it is at or over `threshold`; -1.0 where there
    is no such pair. It measures the table as it is and knows nothing of how it was split.
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
    lent: PromptVectors, own: PromptVectors, threshold: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Another corpus' prompts for training beside our held-out ones.

    Returns the table of `lent` with those train prompts excluded that come within `threshold` of a
    validation or test prompt of `own`, and a LEFT_OUT row for each of them.
    """
    train = np.flatnonzero((lent.prompts["split"] == "train").to_numpy())
    near = near_held_out(ChosenRows(lent.targets, train), own, threshold)
    left_out = name_left_out(lent.prompts[train], near)
    dropped = pl.col("prompt_id").is_in(left_out["prompt_id"].implode())
    split = pl.when(dropped).then(pl.lit("excluded")).otherwise("split").alias("split")
    return lent.prompts.with_columns(split), left_out


def near_held_out(vectors: Matrix, own: PromptVectors, threshold: float) -> NearHeldOut:
    """Which rows of prompt vectors (n, d_prompt) come near to held-out prompts of `own`.

    Near is a cosine of `threshold` or more; `vectors` may lie on disk.
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


def name_left_out(prompts: pl.DataFrame, near: NearHeldOut) -> pl.DataFrame:
    """LEFT_OUT of a table (n rows, with prompt_id and prompt) of which some rows are near."""
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
    """The table, once it is known to fit the vectors and to hold each prompt once."""
    table = check_schema(table, PROMPTS, "the prompt table")
    if table.height != len(vectors):
        raise CorpusError(f"{table.height} prompts but {len(vectors)} vectors; embed them again")
    unknown = sorted(set(table["split"].to_list()) - set(SPLITS), key=str)
    if unknown:
        raise CorpusError(f"unknown splits {unknown} in the prompt table; known are {SPLITS}")
    if table["prompt_id"].n_unique() != table.height:
        raise CorpusError("the prompt table holds a prompt_id twice; clean the prompts first")
    return table


def _nearest_across(splits: np.ndarray, vectors: np.ndarray, threshold: float) -> _Pair:
    """The nearest pair of rows that must not be near each other."""
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
    """The nearest pair of a row in `left` and one in `right`, its cosine computed exactly."""
    # The held-out side is the small one: searched in, so that the large one is not copied.
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
