"""Candidate prompts, and the cosines reached for known ones -> the candidates worth rendering next.

A competitor rendered only prompts that a model expected to come out under 0.4, and that were over
0.5 to real prompts; the 3rd place added 80,000 such hard ones. The cosines come from a file, the
model from `difficulty.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.captions import PromptVectors
from unprompt.build.make.difficulty import Difficulty
from unprompt.build.make.made import MADE, Made
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT
from unprompt.index.vectors.nearest import nearest

METHOD = "mine"
BELOW = 0.4


@dataclass(frozen=True, config=STRICT)
class MineConfig:
    """Which candidates are taken: all that pass every limit, the hardest first."""

    below: float | None = BELOW  # expected cosine
    share: float | None = None  # of the candidates near enough, the hardest
    count: int | None = None  # at most so many
    near: float = 0.5  # cosine to the nearest reference prompt, where there are any
    splits: tuple[str, ...] = ("validation",)  # whose cosines are learnt from

    def __post_init__(self) -> None:
        if self.below is None and self.share is None and self.count is None:
            raise ConfigError("mining needs a limit: --below, --share or --count")
        if self.share is not None and not 0.0 < self.share <= 1.0:
            raise ConfigError(f"--share must lie over 0 and at most at 1, got {self.share}")
        if self.count is not None and self.count < 1:
            raise ConfigError(f"--count must be 1 or more, got {self.count}")
        if not self.splits:
            raise ConfigError("mining needs the cosines of at least one split")


class Reference(NamedTuple):
    """Prompts that what is chosen must be near to."""

    prompts: pl.DataFrame  # PROMPTS, r rows
    vectors: np.ndarray  # (r, d)


def read_cosines(path: Path, splits: tuple[str, ...]) -> pl.DataFrame:
    """Columns prompt and cosine, a row a prompt: the mean over its pictures in these splits.

    A parquet or csv file with the columns prompt and cosine; without a column split all rows count.
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
    """Which of the prompts (n,) bool the model is measured on: half of them, drawn by a seed."""
    chosen = np.zeros(prompts, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(prompts)[: prompts // 2]] = True
    return chosen


def mine_prompts(
    candidates: pl.DataFrame,
    vectors: PromptVectors,
    difficulty: Difficulty,
    config: MineConfig,
    reference: Reference | None = None,
    progress: Progress = SILENT,
) -> Made:
    """Choose from a PROMPTS table (n rows) with its vectors (n, d)."""
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
        raise CorpusError(_nothing(scored, near, config))
    report = {
        "candidates": candidates.height,
        "near_enough": near.height,
        "expected_of_candidates": round(float(scored["expected_cosine"].to_numpy().mean()), 4),
        "expected_of_chosen": round(float(chosen["expected_cosine"].to_numpy().mean()), 4),
    }
    made = chosen.with_columns(
        pl.lit(METHOD).alias("method"), pl.lit([], pl.List(pl.String)).alias("parents")
    )
    return Made(made.select(*MADE, "source", *_SCORES), report)


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
    reference: Reference | None,
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


def _nothing(scored: pl.DataFrame, near: pl.DataFrame, config: MineConfig) -> str:
    if near.is_empty():
        highest = float(scored["reference_cosine"].to_numpy().max())
        return (
            f"no candidate comes nearer than {config.near} to the reference prompts, the nearest "
            f"has a cosine of {highest:.3f}; give other candidates, or a smaller --near"
        )
    lowest = float(near["expected_cosine"].to_numpy().min())
    return (
        f"no candidate is expected under {config.below}, the hardest at {lowest:.3f}; "
        "give a higher --below, or --share 0.2 for the hardest fifth"
    )
