"""An index -> a folder of embeddings with its keys and rows, in clip-retrieval's layout."""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.store.manifest import PROMPT_KEYS
from unprompt.index.store.rebuild import read_content
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    KeyKind,
    start_embeddings,
    write_part,
)

PART_ROWS = 50_000


def export_index(folder: Path, output: Path) -> int:
    """Write all rows but removed ones, and return how many.

    Raises ConfigError where `output` exists, UnpromptError where the index stores no keys.
    """
    with owned(output):
        if output.exists():
            raise ConfigError(f"{output} is there already; choose another output folder")
        return _export(folder, output)


def _export(folder: Path, output: Path) -> int:
    content = read_content(folder)
    keys: KeyKind = "text" if content.key_kind in ("text", PROMPT_KEYS) else "image"
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
    for part, start in enumerate(range(0, rows.height, PART_ROWS)):
        block = np.asarray(content.keys[start : start + PART_ROWS])
        write_part(output, part, rows.slice(start, PART_ROWS), block, keys)
    return rows.height
