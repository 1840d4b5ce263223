"""PROMPTS and their vectors (n, d) -> the table with a split without leaks."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.leaks import check_leaks, check_prompt_vectors
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.tables import SPLITS
from unprompt.index.vectors.nearest import nearest_over

NEAR_TEST, NEAR_VALIDATION, TOP_UP = "near_test", "near_validation", "top_up"
GROUP = "group"
REASONS = (NEAR_TEST, NEAR_VALIDATION, TOP_UP)
MOVES = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "from_split": pl.String,  # the split of the draw
        "to_split": pl.String,
        "nearest_prompt_id": pl.UInt64,  # the near held-out prompt; null for a top-up or a group
        "cosine": pl.Float64,
        "reason": pl.String,  # one of REASONS, or GROUP
    }
)


@dataclass(frozen=True)
class SplitConfig:
    """How many prompts to hold out; None as `leak_threshold` excludes no near-duplicates."""

    validation: int
    test: int
    leak_threshold: float | None = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.validation < 0 or self.test < 0:
            raise ConfigError(
                f"validation and test must be 0 or more, got {self.validation} and {self.test}"
            )
        if self.leak_threshold is not None and not 0.0 < self.leak_threshold < 1.0:
            raise ConfigError(
                f"leak_threshold must be between 0 and 1, or none, got {self.leak_threshold}"
            )


@dataclass(frozen=True)
class Split:
    """The table with splits, the prompts that left the split of the draw (MOVES), the counts."""

    table: pl.DataFrame
    moves: pl.DataFrame
    report: dict[str, Any]


class _NearestHeldOut(NamedTuple):
    """Per row, the nearest held-out row at or over the threshold, (n,) each; row -1 if none."""

    cosines: np.ndarray
    rows: np.ndarray


def split_prompts(
    table: pl.DataFrame,
    vectors: np.ndarray,
    config: SplitConfig,
    fold: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Split:
    """Draw test and validation prompts, then exclude the other prompts that are near to them.

    The draw depends on the seed and the prompt ids, not on the order of the rows. A prompt that is
    drawn for validation but near to a test prompt is excluded; the next one of the draw replaces
    it. Rows with the split "excluded" stay excluded. With `fold` (n,) bool the validation split is
    the fold without test prompts and prompts near to them. With `groups` (n,) whole groups are
    drawn, and no group is in two splits. Raises CorpusError if too few prompts are left to train
    on.
    """
    table = check_prompt_vectors(table, vectors)
    order = _draw(table, config, groups)
    test, rest = order[: config.test], order[config.test :]
    if groups is not None:
        rest = rest[~np.isin(groups[rest], groups[test])]
    near_test = _nearest_held_out(vectors, test, config.leak_threshold)
    free = rest[near_test.rows[rest] < 0]
    if fold is None:
        wanted, validation = rest[: config.validation], free[: config.validation]
    else:
        wanted, validation = rest[fold[rest]], free[fold[free]]
    near_validation = _nearest_held_out(vectors, validation, config.leak_threshold)

    drawn = np.full(table.height, "excluded", dtype=object)
    drawn[order], drawn[test], drawn[wanted] = "train", "test", "validation"
    reasons = np.full(table.height, "", dtype=object)
    reasons[rest[near_validation.rows[rest] >= 0]] = NEAR_VALIDATION
    reasons[rest[near_test.rows[rest] >= 0]] = NEAR_TEST
    reasons[validation] = np.where(drawn[validation] == "train", TOP_UP, "")
    final = np.where(np.isin(reasons, (NEAR_TEST, NEAR_VALIDATION)), "excluded", drawn)
    final[validation] = "validation"
    apart = _apart(final, groups)
    final[apart], reasons[apart] = "excluded", GROUP

    split = table.with_columns(pl.Series("split", final.tolist(), pl.String))
    moves = _moves(split, drawn, reasons, (near_test, near_validation))
    return Split(split, moves, _report(split, vectors, moves, config, len(wanted)))


def _apart(final: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The rows (m,) that are in another split than the held-out prompts of their group."""
    if groups is None:
        return np.empty(0, np.int64)
    left = np.isin(final, ("train", "validation")) & np.isin(groups, groups[final == "test"])
    left |= (final == "train") & np.isin(groups, groups[(final == "validation") & ~left])
    return np.flatnonzero(left)


def _draw(table: pl.DataFrame, config: SplitConfig, groups: np.ndarray | None) -> np.ndarray:
    """The rows that are not excluded, shuffled by the seed and the prompt ids; group by group."""
    rows = np.flatnonzero((table["split"] != "excluded").to_numpy())
    wanted = config.validation + config.test
    if wanted and wanted >= len(rows):
        raise CorpusError(
            f"cannot hold out {config.validation} validation and {config.test} test prompts of "
            f"{len(rows)} and keep one to train on; hold out fewer, or add prompts"
        )
    ids = table["prompt_id"].to_list()
    shuffled = sorted(rows, key=lambda row: stable_id(config.seed, ids[row]))
    if groups is not None:
        shuffled.sort(key=lambda row: stable_id(config.seed, groups[row]))
    return np.array(shuffled, dtype=np.int64)


def _nearest_held_out(
    vectors: np.ndarray, held: np.ndarray, threshold: float | None
) -> _NearestHeldOut:
    """The nearest of the rows `held` (h,) per row of `vectors` (n, d)."""
    if threshold is None or not len(held):
        return _NearestHeldOut(np.full(len(vectors), -np.inf), np.full(len(vectors), -1))
    cosines, found = nearest_over(vectors, vectors[held], threshold)
    return _NearestHeldOut(cosines, np.where(found >= 0, held[found], -1))


def _moves(
    split: pl.DataFrame,
    drawn: np.ndarray,
    reasons: np.ndarray,
    near: tuple[_NearestHeldOut, _NearestHeldOut],
) -> pl.DataFrame:
    """MOVES of the rows with a reason; `near` holds the nearest test and validation rows."""
    near_test, near_validation = near
    by_test = reasons == NEAR_TEST
    ids = split["prompt_id"]
    table = pl.DataFrame(
        {
            "prompt_id": ids,
            "from_split": drawn.tolist(),
            "to_split": split["split"],
            "nearest_prompt_id": ids[np.where(by_test, near_test.rows, near_validation.rows)],
            "cosine": np.where(by_test, near_test.cosines, near_validation.cosines),
            "reason": reasons.tolist(),
        },
        schema=MOVES,
    ).filter(pl.col("reason") != "")
    return table.with_columns(
        pl.when(pl.col("reason").is_in((NEAR_TEST, NEAR_VALIDATION))).then(
            pl.col("nearest_prompt_id", "cosine")
        )
    )


def _report(
    split: pl.DataFrame,
    vectors: np.ndarray,
    moves: pl.DataFrame,
    config: SplitConfig,
    wanted_validation: int,
) -> dict[str, Any]:
    """Counts per split and reason, the requested sizes, and the highest remaining cosine."""
    counts = {name: int((split["split"] == name).sum()) for name in SPLITS}
    if wanted_validation + config.test and not counts["train"]:
        raise CorpusError(
            f"all prompts have a cosine of {config.leak_threshold} or more to one of the "
            f"{counts['validation']} validation or {counts['test']} test prompts, so that none is "
            "left to train on; hold out fewer, or raise the leak threshold"
        )
    limit = np.inf if config.leak_threshold is None else config.leak_threshold
    return {
        **counts,
        **{reason: int((moves["reason"] == reason).sum()) for reason in REASONS},
        **({GROUP: grouped} if (grouped := int((moves["reason"] == GROUP).sum())) else {}),
        "wanted_validation": wanted_validation,
        "wanted_test": config.test,
        "leak_threshold": config.leak_threshold,
        "seed": config.seed,
        "max_cosine": check_leaks(split, vectors, limit),
    }
