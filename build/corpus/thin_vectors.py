"""PROMPTS and their vectors on disk -> the prompts left by cosine, and their vectors.

FOLDER/cosine/      what fell, shard by shard, above `exact_rows`
FOLDER/kept.npy     the vectors of what is left, above `exact_rows`
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.duplicates.config import DuplicatesConfig
from unprompt.build.corpus.duplicates.cosine import drop_by_cosine
from unprompt.build.corpus.duplicates.dedupe import drop_near_duplicates
from unprompt.build.corpus.duplicates.drops import name_drops, no_drops, without
from unprompt.build.corpus.duplicates.vectors import Vectors, write_vectors
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.progress import SILENT, Progress


@dataclass(frozen=True)
class Near:
    """The prompts that are left, their vectors (n, d) float32, and what fell (DUPLICATES)."""

    table: pl.DataFrame
    vectors: np.ndarray  # in memory, or a map of `kept.npy`
    duplicates: pl.DataFrame


def thin_by_vectors(
    folder: Path,
    table: pl.DataFrame,
    vectors: Vectors,
    threshold: float | None,
    config: DuplicatesConfig,
    progress: Progress = SILENT,
) -> Near:
    """Down the rows, drop what is near to an earlier, kept one; vector i belongs to row i."""
    if table.height <= config.exact_rows:
        found = drop_near_duplicates(table, vectors.take(np.arange(len(vectors))), threshold)
        dropped = table.select("prompt_id", "prompt").join(
            found.report, on="prompt_id", how="right", maintain_order="right"
        )
        near, cosines = found.report["kept_prompt_id"], found.report["cosine"]
        named = name_drops("cosine", dropped, near.to_numpy(), cosines.to_numpy())
        return Near(found.table, found.vectors, named)
    drops = no_drops()
    if threshold is not None and threshold < 1.0:
        drops = drop_by_cosine(folder / "cosine", vectors, threshold, config.probe, progress)
    rows = without(np.arange(table.height, dtype=np.uint32), drops)
    near = table["prompt_id"].to_numpy()[drops.kept]
    named = name_drops("cosine", table[drops.rows], near, drops.similarity)
    with write_atomically(folder / "kept.npy") as temporary:
        write_vectors(temporary, np.float32, vectors, rows)
    return Near(table[rows], np.load(folder / "kept.npy", mmap_mode="r"), named)
