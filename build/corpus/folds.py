"""Prompts with vectors (n, d) -> folds of similar size that keep near-duplicates together.

Near-duplicates form groups, and a group stays in one fold, as with scikit-learn's GroupKFold. But
here ids and seed decide, not the order of the rows.
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
    """The number of folds, and the lowest MiniLM cosine that joins two prompts in a group."""

    count: int = 10
    threshold: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 1000:
            raise ConfigError(f"folds.count must be from 2 to 1000, got {self.count}")
        if not 0.0 < self.threshold < 1.0:
            raise ConfigError(f"folds.threshold must be between 0 and 1, got {self.threshold}")


def fold_prompts(
    folder: Path,
    prompt_ids: np.ndarray,
    vectors: np.ndarray,
    config: FoldsConfig,
    duplicates: DuplicatesConfig,
    progress: Progress = SILENT,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """FOLDS of prompts (n,) with unit vectors (n, d), and counts; FOLDER/groups has near pairs."""
    groups = group_rows(
        folder / "groups", VectorArray(vectors), config.threshold, duplicates.exact_rows,
        duplicates.probe, progress,
    )  # fmt: skip
    folds = assign_folds(prompt_ids, groups, config)
    return folds, report_folds(folds, config)


def assign_folds(prompt_ids: np.ndarray, groups: np.ndarray, config: FoldsConfig) -> pl.DataFrame:
    """FOLDS: the largest group comes first; each goes to the fold with the fewest prompts.

    Rows of one group have the same number in `groups` (n,). The id of a group is its lowest
    prompt_id.
    """
    _, place = np.unique(groups, return_inverse=True)
    ids = np.full(place.max(initial=-1) + 1, np.iinfo(np.uint64).max)
    np.minimum.at(ids, place, prompt_ids)
    sizes = np.bincount(place, minlength=len(ids))
    shuffled = np.array([stable_id(config.seed, group) for group in ids.tolist()], np.uint64)
    order = np.lexsort((shuffled, -sizes))
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
    """Counts of groups and folds; folds differ in size if a group is larger than a fold."""
    sizes = folds["group_id"].value_counts()["count"]
    return {
        "threshold": config.threshold,
        "seed": config.seed,
        "groups": sizes.len(),
        "largest_group": sizes.max() or 0,
        "prompts": {str(fold): int((folds["fold"] == fold).sum()) for fold in range(config.count)},
    }
