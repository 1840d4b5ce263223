"""Image shards -> RUN/embeddings: unit vectors (n, d_image) in fp16 with their rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unprompt.build.keys.shard_vectors import embed_shard
from unprompt.index.base.durable import digest_file, stable_id
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import PROMPTS, read_table
from unprompt.index.captions.left_out import say_left_out
from unprompt.index.captions.normalize import normalize
from unprompt.index.engines.devices import tower_demand
from unprompt.index.engines.engine import LOCAL, EngineConfig, map_shards
from unprompt.index.exported.export import load_encoder, read_identity
from unprompt.index.images.picture_splits import one_split_each
from unprompt.index.images.shard_names import done_shards, stats_path
from unprompt.index.vectors.embeddings import (
    METADATA,
    EmbeddingsInfo,
    failed_images,
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
            rows, vectors = embed_shard(self.shards, number, encoder)
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
    failed = failed_images(work.folder, own)
    if failed:
        progress.note(f"embed: {say_left_out('picture', failed)}")
    return len(work.pending(numbers))


def _with_split(rows: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """Prompt, id and split as in the corpus; shards of other programs hold neither."""
    captions = normalize(rows["caption"].fill_null(""))
    ids = [stable_id(prompt) for prompt in captions]
    splits = prompts.select("prompt_id", pl.col("split").alias("corpus_split"))
    found = (
        rows.with_columns(captions.alias("caption"), pl.Series("prompt_id", ids, pl.UInt64))
        .join(splits, on="prompt_id", how="left", maintain_order="left")
        .with_columns(pl.col("corpus_split").fill_null("excluded").alias("split"))
        .select(list(METADATA))
    )
    return one_split_each(found, "image_path")
