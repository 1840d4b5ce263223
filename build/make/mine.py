"""Candidate prompts and a difficulty model -> the hard candidates, which are worth rendering next.

The 3rd place added 80,000 hard prompts. Another competitor rendered only prompts with an expected
cosine under 0.4 and a cosine over 0.5 to real prompts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.captions import PromptVectors
from unprompt.build.make.difficulty import Difficulty
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT
from unprompt.index.vectors.nearest import nearest

METHOD = "mine"
BELOW = 0.4


@dataclass(frozen=True, config=STRICT)
class MineConfig:
    """Limits on the candidates; those that pass all of them are chosen, the hardest first."""

    below: float | None = BELOW  # upper limit of the expected cosine
    share: float | None = None  # the hardest share of the candidates that are near enough
    count: int | None = None  # maximum number of prompts
    near: float = 0.5  # lower limit of the cosine to the nearest reference prompt, if any
    splits: tuple[str, ...] = ("validation",)  # the model learns from their cosines

    def __post_init__(self) -> None:
        if self.below is None and self.share is None and self.count is None:
            raise ConfigError("mining needs a limit: --below, --share or --count")
        if self.share is not None and not 0.0 < self.share <= 1.0:
            raise ConfigError(f"--share must be over 0 and at most 1, got {self.share}")
        if self.count is not None and self.count < 1:
            raise ConfigError(f"--count must be 1 or more, got {self.count}")
        if not self.splits:
            raise ConfigError("mining needs the cosines of at least one split")


class ReferencePrompts(NamedTuple):
    """The r prompts that chosen candidates must be near."""

    prompts: pl.DataFrame  # PROMPTS, r rows
    vectors: np.ndarray  # (r, d)


def read_cosines(path: Path, splits: tuple[str, ...]) -> pl.DataFrame:
    """Columns prompt and cosine, one row per prompt: the mean over its pictures in these splits.

    `path` is a parquet or csv file with these columns. Without a column `split` all rows count.
    Raises CorpusError for any other file.
    """
    try:
        reader = pl.read_csv if path.suffix.lower() == ".csv" else pl.read_parquet
        table = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"cannot read the cosines in {path}: {error}") from error
    if not {"prompt", "cosine"} <= set(table.columns):
        raise CorpusError(
            f"{path} must have the columns prompt and cosine, it has {', '.join(table.columns)}; "
            "`unprompt eval CONFIG --report` writes such a file into RUN/report"
        )
    if "split" in table.columns:
        table = table.filter(pl.col("split").is_in(list(splits)))
    kept = table.select("prompt", pl.col("cosine").cast(pl.Float64, strict=False))
    if kept["cosine"].is_null().any() or not kept["cosine"].is_between(-1.001, 1.001).all():
        raise CorpusError(f"{path}: every cosine must be a number between -1 and 1")
    return kept.group_by("prompt", maintain_order=True).agg(pl.col("cosine").mean())


def held_out_half(prompts: int, seed: int = 0) -> np.ndarray:
    """Mask (n,) bool of a random half of n prompts, to measure the model on."""
    chosen = np.zeros(prompts, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(prompts)[: prompts // 2]] = True
    return chosen


def mine_prompts(
    candidates: pl.DataFrame,
    vectors: PromptVectors,
    difficulty: Difficulty,
    config: MineConfig,
    reference: ReferencePrompts | None = None,
    progress: Progress = SILENT,
) -> MadePrompts:
    """Choose from a PROMPTS table (n rows) with its vectors (n, d).

    Raises CorpusError if no candidate passes the limits.
    """
    scored = pl.concat(
        progress.track(
            _score(candidates, vectors, difficulty, reference), "score candidates", vectors.parts
        )
    )
    near = scored
    if reference is not None:
        near = scored.filter(pl.col("reference_cosine") > config.near)
    chosen = near.sort("expected_cosine", maintain_order=True)
    if config.share is not None:
        chosen = chosen.head(round(config.share * near.height))
    if config.below is not None:
        chosen = chosen.filter(pl.col("expected_cosine") < config.below)
    if config.count is not None:
        chosen = chosen.head(config.count)
    if chosen.is_empty():
        raise CorpusError(_explain_empty(scored, near, config))
    report = {
        "candidates": candidates.height,
        "near_enough": near.height,
        "expected_of_candidates": round(float(scored["expected_cosine"].to_numpy().mean()), 4),
        "expected_of_chosen": round(float(chosen["expected_cosine"].to_numpy().mean()), 4),
    }
    made = chosen.with_columns(
        pl.lit(METHOD).alias("method"), pl.lit([], pl.List(pl.String)).alias("parents")
    )
    return MadePrompts(made.select(*MADE_PROMPTS, "source", *_SCORES), report)


_SCORES = pl.Schema(
    {
        "expected_cosine": pl.Float64,
        "reference_cosine": pl.Float64,  # null without reference prompts
        "reference_prompt": pl.String,  # the nearest
    }
)


def _score(
    candidates: pl.DataFrame,
    vectors: PromptVectors,
    difficulty: Difficulty,
    reference: ReferencePrompts | None,
) -> Iterator[pl.DataFrame]:
    """Prompt, source and _SCORES of the candidates, block by block."""
    for span, block in vectors.blocks():
        rows = candidates.select("prompt", "source").slice(span.start, len(block))
        expected = pl.Series("expected_cosine", difficulty.predict(block), pl.Float64)
        cosines = pl.Series([None] * len(block), dtype=pl.Float64)
        prompts = pl.Series([None] * len(block), dtype=pl.String)
        if reference is not None:
            scores, found = nearest(block, reference.vectors, 1)
            cosines = pl.Series(scores[:, 0], dtype=pl.Float64)
            prompts = reference.prompts["prompt"].gather(found[:, 0])
        yield rows.with_columns(
            expected, cosines.alias("reference_cosine"), prompts.alias("reference_prompt")
        )


def _explain_empty(scored: pl.DataFrame, near: pl.DataFrame, config: MineConfig) -> str:
    if near.is_empty():
        highest = float(scored["reference_cosine"].to_numpy().max())
        return (
            f"no candidate has a cosine over {config.near} to a reference prompt, the highest is "
            f"{highest:.3f}; give other candidates, or a smaller --near"
        )
    lowest = float(near["expected_cosine"].to_numpy().min())
    return (
        f"no candidate has an expected cosine under {config.below}, the lowest is {lowest:.3f}; "
        "give a higher --below, or --share 0.2 for the hardest fifth"
    )
