"""Prompts and groups (n,) -> folds (n,): groups stay whole, folds are of like size.

Grouped by near-duplicates, as scikit-learn's GroupKFold would do it, but decided by ids and seed
alone: the order of the rows has no part in it.
"""

import heapq
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.vectors import VectorArray
from unprompt.build.corpus.groups import group_rows
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT

FOLDS = pl.Schema({"prompt_id": pl.UInt64, "group_id": pl.UInt64, "fold": pl.UInt16})


@dataclass(frozen=True, config=STRICT)
class FoldsConfig:
    """How many folds, and from which MiniLM cosine on two prompts must be in the same one."""

    count: int = 10
    threshold: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 1000:
            raise ConfigError(f"folds.count must lie in 2 to 1000, got {self.count}")
        if not 0.0 < self.threshold < 1.0:
            raise ConfigError(f"folds.threshold must lie between 0 and 1, got {self.threshold}")


def fold_prompts(
    folder: Path,
    prompt_ids: np.ndarray,
    vectors: np.ndarray,
    config: FoldsConfig,
    duplicates: DuplicatesConfig,
    progress: Progress = SILENT,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """FOLDS of prompts with vectors (n, d), and the counts; FOLDER/groups keeps the near pairs."""
    groups = group_rows(
        folder / "groups", VectorArray(vectors), config.threshold, duplicates.exact_rows,
        duplicates.probe, progress,
    )  # fmt: skip
    folds = assign_folds(prompt_ids, groups, config)
    return folds, report_folds(folds, config)


def assign_folds(prompt_ids: np.ndarray, groups: np.ndarray, config: FoldsConfig) -> pl.DataFrame:
    """FOLDS: largest groups first, each into the fold that has the fewest prompts so far.

    `groups` (n,) are numbers that rows of one group share; a group's id is its lowest prompt_id.
    """
    _, place = np.unique(groups, return_inverse=True)
    ids = np.full(place.max(initial=-1) + 1, np.iinfo(np.uint64).max)
    np.minimum.at(ids, place, prompt_ids)
    sizes = np.bincount(place, minlength=len(ids))
    drawn = np.array([stable_id(config.seed, group) for group in ids.tolist()], np.uint64)
    order = np.lexsort((drawn, -sizes))
    folds = np.empty(len(ids), np.uint16)
    heap = [(0, fold) for fold in range(config.count)]
    for group in order.tolist():
        filled, fold = heap[0]
        folds[group] = fold
        heapq.heapreplace(heap, (filled + int(sizes[group]), fold))
    return pl.DataFrame(
        {"prompt_id": prompt_ids, "group_id": ids[place], "fold": folds[place]}, schema=FOLDS
    )


def report_folds(folds: pl.DataFrame, config: FoldsConfig) -> dict[str, Any]:
    """Counts of groups and folds; a group larger than a fold is why folds differ in size."""
    sizes = folds["group_id"].value_counts()["count"]
    return {
        "threshold": config.threshold,
        "seed": config.seed,
        "groups": sizes.len(),
        "largest_group": sizes.max() or 0,
        "prompts": {str(fold): int((folds["fold"] == fold).sum()) for fold in range(config.count)},
    }
