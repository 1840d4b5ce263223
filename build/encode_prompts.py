"""A prompts table (n rows) -> a folder of text embeddings (n, d), in parts that survive a kill."""

from pathlib import Path

import polars as pl

from unprompt.index.embeddings import (
    METADATA,
    EmbeddingsInfo,
    part_is_done,
    start_embeddings,
    write_part,
)
from unprompt.index.encoders import TextEncoder
from unprompt.index.progress import SILENT, Progress

PART = 5000  # prompts


def encode_prompts(
    folder: Path, prompts: pl.DataFrame, encoder: TextEncoder, progress: Progress = SILENT
) -> None:
    """Encode the parts that are missing; row i of the parts together is row i of `prompts`."""
    start_embeddings(folder, EmbeddingsInfo(encoder.space, encoder.dim, "text"))
    parts = range(-(-prompts.height // PART))
    left = [part for part in parts if not part_is_done(folder, part, "text")]
    for part in progress.track(left, "encode prompts", len(parts), len(parts) - len(left)):
        rows = prompts.slice(part * PART, PART)
        vectors = encoder.encode(rows["prompt"].to_list())
        write_part(folder, part, _metadata(rows), vectors, "text")


def _metadata(prompts: pl.DataFrame) -> pl.DataFrame:
    return prompts.select(
        pl.lit(None, pl.String).alias("image_path"),
        pl.col("prompt").alias("caption"),
        pl.col("prompt_id").alias("image_id"),
        "prompt_id",
        "split",
        pl.lit(0, pl.UInt64).alias("seed"),
        pl.lit("text").alias("generator"),
        pl.lit("success").alias("status"),
        pl.lit(None, pl.String).alias("error_message"),
    ).select(list(METADATA))
