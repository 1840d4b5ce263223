"""An index -> its keys (n, d_image) and rows as a folder of embeddings, clip-retrieval's layout."""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError
from unprompt.index.store.rebuild import read_content
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    KeyKind,
    start_embeddings,
    write_part,
)

PART = 50_000  # rows


def export_index(folder: Path, output: Path) -> int:
    """Write all rows that count and return how many.

    Raises ConfigError where `output` is there, UnpromptError where no keys are kept.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already; choose another output folder")
    content = read_content(folder)
    keys: KeyKind = "text" if content.key_kind == "text" else "image"
    start_embeddings(output, EmbeddingsInfo(content.space, content.keys.shape[1], keys))
    rows = content.rows.select(
        pl.col("key").alias("image_path"),
        pl.col("prompt").alias("caption"),
        "image_id",
        "prompt_id",
        pl.lit("train").alias("split"),
        "seed",
        "generator",
        pl.lit("success").alias("status"),
        pl.lit(None, pl.String).alias("error_message"),
    ).select(list(METADATA))
    for part, start in enumerate(range(0, rows.height, PART)):
        block = np.asarray(content.keys[start : start + PART])
        write_part(output, part, rows.slice(start, PART), block, keys)
    return rows.height
