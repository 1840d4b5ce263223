"""The stages of a build on this machine, with real components -> seconds of one item each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.render import ShardJob, load_renderer, plan_images, render_shard
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.tables import PROMPTS, ROWS
from unprompt.index.base.timing import median_seconds
from unprompt.index.encoders.protocols import EncoderConfig, TextEncoder, to_unit_length
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.images.shards import iterate_images, read_shard_rows
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segment_files import IndexContent
from unprompt.index.store.write import write_index

TARGET_DIM = 8  # of a timed index: targets are not searched


@dataclass(frozen=True)
class RenderSpeed:
    """Drawing, encoding and writing shards in one process."""

    seconds: float  # an image
    bytes_per_pixel: float
    settings: str  # of the renderer, as its rows keep them


def time_rendering(
    folder: Path, config: RenderConfig, prompts: Sequence[str], repeats: int
) -> RenderSpeed:
    """Draw `prompts` as shards of `folder`, each round other seeds; loading is left out.

    Raises ConfigError where not one of them can be drawn.
    """
    whole = replace(config, images_per_shard=len(prompts), seeds_per_prompt=1)
    table = _prompts_table(prompts)
    rows = plan_images(table, whole, load_renderer(whole))

    def draw(round: int) -> None:
        seeds = (pl.col("seed") + round) % 2**32
        render_shard(ShardJob(folder, round, rows.with_columns(seeds), whole, False))

    seconds = median_seconds(draw, repeats)
    drawn = read_shard_rows(folder, 0).filter(pl.col("status") == "success")
    if drawn.is_empty():
        faults = read_shard_rows(folder, 0)["error_message"]
        raise ConfigError(f"none of the {len(prompts)} prompts could be drawn: {faults[0]}")
    pixels = int((drawn["width"].cast(pl.Int64) * drawn["height"].cast(pl.Int64)).sum())
    stored = sum(len(content) for _, content in iterate_images(folder, 0))
    return RenderSpeed(seconds / len(prompts), stored / pixels, str(drawn["settings"][0]))


def time_embedding(
    shards: Path, folder: Path, config: EncoderConfig, repeats: int
) -> tuple[float, int]:
    """(seconds an image, length of a vector): reading shard 0, decoding, and the tower."""
    from unprompt.index.exported.export import export_encoder, load_encoder

    export_encoder(config, folder)
    encoder = load_encoder(folder)
    count = 0

    def embed(_: int) -> None:
        nonlocal count
        count = sum(1 for _ in encode_contents(encoder, iterate_images(shards, 0)))

    return median_seconds(embed, repeats) / max(count, 1), encoder.dim


def time_encoding(encoder: TextEncoder, prompts: Sequence[str], repeats: int) -> float:
    """Seconds a prompt of the encoder of target vectors."""
    return median_seconds(lambda _: encoder.encode(list(prompts)), repeats) / len(prompts)


@dataclass(frozen=True)
class SearchSpeed:
    """Searching an index of random keys in one batch."""

    seconds: float  # a query
    gflop_seconds: float | None  # of exact distances, where all rows are compared


def time_search(
    folder: Path, factory: str, rows: int, dim: int, queries: int, k: int, repeats: int
) -> SearchSpeed:
    """Build an index of `rows` keys of `dim` numbers and search it with a batch of queries."""
    generator = np.random.default_rng(0)
    keys = to_unit_length(generator.standard_normal((rows, dim)))
    asked = to_unit_length(generator.standard_normal((queries, dim)))
    targets = to_unit_length(generator.standard_normal((rows, TARGET_DIM)))
    content = IndexContent(_index_rows(rows), keys, targets, "random", "random")
    write_index(folder, content, asked[:0], IndexConfig(factory))
    index = PromptIndex.load(folder)
    seconds = median_seconds(lambda _: index.search(asked, k), repeats)
    gflop = 2 * rows * dim * queries / 1e9
    return SearchSpeed(seconds / queries, seconds / gflop if factory == "Flat" else None)


def _prompts_table(prompts: Sequence[str]) -> pl.DataFrame:
    ids = range(1, len(prompts) + 1)
    columns = {
        "prompt_id": ids,
        "prompt": list(prompts),
        "source": ["bench"] * len(prompts),
        "group_id": ids,
        "split": ["train"] * len(prompts),
    }
    return pl.DataFrame(columns, schema=PROMPTS)


def _index_rows(count: int) -> pl.DataFrame:
    numbers = range(count)
    columns = {
        "row": numbers,
        "row_id": numbers,
        "image_id": numbers,
        "prompt_id": numbers,
        "prompt": [""] * count,
        "key": [f"{number:09d}" for number in numbers],
        "seed": [0] * count,
        "generator": ["bench"] * count,
    }
    return pl.DataFrame(columns, schema=ROWS)
