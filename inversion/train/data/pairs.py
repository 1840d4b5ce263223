"""Image shards and target vectors -> training pairs: rows (n) of key and prompt, targets (n, d)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.images.picture_splits import one_split_each
from unprompt.index.images.shards import read_rows

Targets = Callable[[pl.Series], np.ndarray]  # prompt ids -> target vectors (n, d_prompt)


@dataclass(frozen=True)
class Pairs:
    """Rendered pictures of one split with their prompts' vectors."""

    images: Path  # folder of shards
    keys: list[str]  # n sample keys
    prompts: np.ndarray  # (n,) number of the prompt, 0 to distinct - 1
    targets: np.ndarray  # (n, d_prompt) float32 unit length
    texts: Sequence[str] = ()  # n prompts; empty if only vectors are used

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def distinct(self) -> int:
        """The number of prompts. Each gives one pair per epoch."""
        return int(self.prompts.max()) + 1 if len(self.keys) else 0

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """One render of each prompt, in a random order: row numbers (distinct,)."""
        generator = np.random.default_rng([seed, epoch])
        shuffled = generator.permutation(len(self))
        _, first = np.unique(self.prompts[shuffled], return_index=True)
        return shuffled[np.sort(first)]


@dataclass(frozen=True)
class TrainingData:
    """The training data of a run."""

    stages: tuple[Pairs, ...]  # one per stage of the schedule
    validation: Pairs
    target_space: str  # of the prompt vectors
    corpus: str | None = None  # digest of the corpus whose held-out prompts are excluded


def collect_pairs(
    images: Path, prompts: pl.DataFrame, split: str, targets: Targets, limit: int | None = None
) -> Pairs:
    """Collect the rendered pictures of one split of the PROMPTS table, of at most `limit` prompts.

    Raises ConfigError if there is none.
    """
    wanted = prompts.filter(pl.col("split") == split).select("prompt_id", "prompt")
    if limit is not None and wanted.height > limit:
        order = [stable_id("limit", prompt) for prompt in wanted["prompt_id"]]
        wanted = wanted.with_columns(pl.Series("order", order)).sort("order").head(limit)
    pictures = (
        read_rows(images)
        .filter(pl.col("status") == "success")
        .select("key", "prompt_id")
        .join(prompts.select("prompt_id", "split"), on="prompt_id", how="inner")
    )
    rows = (
        one_split_each(pictures, "key")
        .filter(pl.col("split") == split)
        .select("key", "prompt_id")
        .join(wanted.select("prompt_id", "prompt"), on="prompt_id", how="inner")
        .sort("key", maintain_order=True)
    )
    if rows.is_empty():
        raise ConfigError(
            f"{images} holds no {split} picture to learn from; give the corpus some (for instance "
            f"`corpus.{split}: 100`) and build again"
        )
    numbers = rows["prompt_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    vectors = to_unit_length(targets(rows["prompt_id"]))
    return Pairs(images, rows["key"].to_list(), numbers, vectors, rows["prompt"].to_list())
