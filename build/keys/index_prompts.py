"""Prompts (n) and their own vectors (n, d_prompt) -> an index whose keys are these vectors.

What a head predicts is searched in it. It stores each vector once, as codes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import ROWS
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.manifest import PROMPT_KEYS, IndexManifest
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index

FACTORY = "SQ8"  # a byte a number; decoded vectors have a cosine over 0.9999
GENERATOR = "prompts"


@dataclass(frozen=True)
class EncodedPrompts:
    """A PROMPTS table with the vectors of its rows."""

    prompts: pl.DataFrame
    vectors: np.ndarray  # (n, d_prompt) unit length
    space: str  # of the prompt encoder


def index_prompts(
    folder: Path, encoded: EncodedPrompts, factory: str = FACTORY, progress: Progress = SILENT
) -> IndexManifest:
    """Write the index; raises ConfigError for a factory that does not give vectors back."""
    content = IndexContent(
        prompt_rows(encoded.prompts),
        encoded.vectors,
        encoded.vectors,
        encoded.space,
        encoded.space,
        PROMPT_KEYS,
    )
    config = IndexConfig(factory=factory, keep_keys=False)
    return write_index(folder, content, encoded.vectors[:0], config, progress=progress)


def prompt_rows(prompts: pl.DataFrame) -> pl.DataFrame:
    """PROMPTS as ROWS; a row has no picture, and the id of its prompt."""
    return prompts.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
        (pl.col("prompt_id") & (2**63 - 1)).cast(pl.Int64).alias("row_id"),
        pl.lit(0, pl.UInt64).alias("image_id"),
        "prompt_id",
        "prompt",
        pl.lit("").alias("key"),
        pl.lit(0, pl.UInt64).alias("seed"),
        pl.lit(GENERATOR).alias("generator"),
    ).select(list(ROWS))
