"""Image shards -> RUN/embeddings: unit vectors (n, d_image) in fp16 with their rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.corpus.cleaning.normalize import normalize
from unprompt.index.base.durable import digest_file, stable_id
from unprompt.index.base.errors import DamagedFileError, UnreadableImageError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import PROMPTS, read_table
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.engines.devices import tower_demand
from unprompt.index.engines.engine import LOCAL, EngineConfig, map_shards
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.exported.export import load_encoder, read_identity
from unprompt.index.images.shards import done_shards, iterate_images, read_shard_rows, stats_path
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    part_is_done,
    start_embeddings,
    write_part,
)


@dataclass(frozen=True)
class EmbedWork:
    """Embeds image shards in any worker process; the tower stays loaded there."""

    shards: Path
    folder: Path
    prompts: Path  # the prompts table of the corpus
    encoder: Path  # an exported tower

    def load(self, threads: int | None) -> Callable[[int], None]:
        """Load the tower and the splits; the function embeds shard i into part i.

        The split of a row comes from the corpus; it is `excluded` where the corpus dropped the
        prompt. A picture that cannot be read is recorded as failed.
        """
        encoder = load_encoder(self.encoder, threads)
        splits = read_table(self.prompts, PROMPTS).select("prompt_id", "split")

        def embed(number: int) -> None:
            source = self.source(number)
            rows, vectors = _embed_shard(self.shards, number, encoder)
            write_part(self.folder, number, _with_split(rows, splits), vectors, "image", source)

        return embed

    def source(self, number: int) -> str:
        """Digest of the shard that a part is made from."""
        return digest_file(stats_path(self.shards, number))

    def pending(self, numbers: Iterable[int]) -> list[int]:
        """The shards that are not embedded or have changed since."""
        return [n for n in numbers if not part_is_done(self.folder, n, "image", self.source(n))]


def embed_images(work: EmbedWork, progress: Progress = SILENT, engine: EngineConfig = LOCAL) -> int:
    """Embed the missing shards of this process' share.

    Returns how many shards are left to other processes.
    """
    start_embeddings(work.folder, EmbeddingsInfo(*read_identity(work.encoder), "image"))
    numbers = done_shards(work.shards)
    own = engine.own(numbers)
    left = work.pending(own)
    done = map_shards(work, {n: n for n in left}, engine, tower_demand(work.encoder))
    for _ in progress.track(done, "embed shards", len(own), len(own) - len(left)):
        pass
    return len(work.pending(numbers))


def _embed_shard(
    shards: Path, number: int, encoder: BulkEncoder
) -> tuple[pl.DataFrame, np.ndarray]:
    rows = read_shard_rows(shards, number)
    errors: dict[str, str | None] = {}
    vectors: list[np.ndarray] = []
    for key, found in encode_contents(encoder, iterate_images(shards, number)):
        if isinstance(found, UnreadableImageError):
            errors[key] = str(found)
        else:
            errors[key] = None
            vectors.append(found.astype(np.float16))
    drawn = rows.filter(pl.col("status") == "success")
    missing = set(drawn["key"]) - set(errors)
    if missing:
        raise DamagedFileError(
            f"shard {number:05d} of {shards} lists {len(missing)} pictures that its tar does not "
            "hold; run `unprompt build CONFIG --stage images` again: it writes the shard again"
        )
    listed = pl.DataFrame(
        {"key": list(errors), "fault": list(errors.values())},
        schema={"key": pl.String, "fault": pl.String},
    ).join(drawn, on="key", how="inner", maintain_order="left")
    if listed.height != len(errors):
        raise DamagedFileError(f"the tar of shard {number:05d} of {shards} holds unlisted pictures")
    return _metadata(listed), np.array(vectors, np.float16).reshape(-1, encoder.dim)


def _metadata(listed: pl.DataFrame) -> pl.DataFrame:
    return listed.select(
        pl.col("key").alias("image_path"),
        pl.col("prompt").alias("caption"),
        "image_id",
        "prompt_id",
        "split",
        "seed",
        "generator",
        pl.when(pl.col("fault").is_null())
        .then(pl.lit("success"))
        .otherwise(pl.lit("failed"))
        .alias("status"),
        pl.col("fault").alias("error_message"),
    ).select(list(METADATA))


def _with_split(rows: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """Prompt id and split of the corpus; shards of other programs hold neither."""
    ids = [stable_id(prompt) for prompt in normalize(rows["caption"])]
    splits = prompts.select("prompt_id", pl.col("split").alias("corpus_split"))
    return (
        rows.with_columns(pl.Series("prompt_id", ids, pl.UInt64))
        .join(splits, on="prompt_id", how="left", maintain_order="left")
        .with_columns(pl.col("corpus_split").fill_null("excluded").alias("split"))
        .select(list(METADATA))
    )
