"""A table of prompts (n rows) -> a folder of text embeddings (n, d), in parts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import TextEncoder, check_same_space
from unprompt.index.engines.engine import LOCAL, ONE_PROCESS, Demand, EngineConfig, map_shards
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    part_is_done,
    start_embeddings,
    write_part,
)

PART = 5000  # prompts; a killed run encodes its unfinished part again
LoadTexts = Callable[[int | None], TextEncoder]  # threads -> the encoder


class PromptPart(NamedTuple):
    """The prompts of one part."""

    part: int
    prompts: pl.DataFrame


@dataclass(frozen=True)
class EncodeWork:
    """Writes parts to files with an encoder that stays loaded."""

    folder: Path
    info: EmbeddingsInfo
    load_encoder: LoadTexts

    def load(self, threads: int | None) -> Callable[[PromptPart], None]:
        """Load the encoder; returns a function that writes one part."""
        encoder = self.load_encoder(threads)
        check_same_space(self.info.space, encoder.space, "the text tower", "Build it again.")

        def encode(job: PromptPart) -> None:
            vectors = encoder.encode(job.prompts["prompt"].to_list())
            write_part(self.folder, job.part, _metadata(job.prompts), vectors, "text")

        return encode


def encode_prompts(
    folder: Path,
    prompts: pl.DataFrame,
    encoder: TextEncoder,
    progress: Progress = SILENT,
) -> None:
    """Encode the missing parts; row i of all parts together is row i of `prompts`."""
    info = EmbeddingsInfo(encoder.space, encoder.dim, "text")
    encode_parts(folder, prompts, info, lambda threads: encoder, progress)


def encode_parts(
    folder: Path,
    prompts: pl.DataFrame,
    info: EmbeddingsInfo,
    load_encoder: LoadTexts,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
    demand: Demand = ONE_PROCESS,
) -> int:
    """As `encode_prompts`, on any engine; every process loads its own encoder.

    Returns how many parts other processes still have to encode.
    """
    start_embeddings(folder, info)
    parts = range(-(-prompts.height // PART))
    own = engine.own(parts)
    jobs = {
        part: PromptPart(part, prompts.slice(part * PART, PART))
        for part in own
        if not part_is_done(folder, part, "text")
    }
    done = map_shards(EncodeWork(folder, info, load_encoder), jobs, engine, demand)
    for _ in progress.track(done, "encode prompts", len(own), len(own) - len(jobs)):
        pass
    return sum(not part_is_done(folder, part, "text") for part in parts)


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
