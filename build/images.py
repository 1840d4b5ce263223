"""Prompts and seeds -> RUN/images: numbered webdataset shards, one pure function call a shard."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from unprompt.build.config import RenderConfig
from unprompt.build.render.renderer import Renderer
from unprompt.index.devices import cuda_devices
from unprompt.index.durable import stable_id
from unprompt.index.engine import LOCAL, Demand, EngineConfig, map_shards
from unprompt.index.errors import PromptError
from unprompt.index.pictures import encode_picture
from unprompt.index.progress import SILENT, Progress
from unprompt.index.shards import failed_rows, iterate_images, pending, write_shard
from unprompt.index.tables import IMAGES

SEED_RANGE = 2**32


class Rendered(NamedTuple):
    """How a call of `render_images` left the folder."""

    failed: int  # rows without a picture, once all shards are there
    left: int  # shards that other processes have still to make


class ShardJob(NamedTuple):
    """One shard to make: everything its worker needs."""

    folder: Path
    shard: int
    rows: pl.DataFrame  # IMAGES, not yet rendered
    config: RenderConfig
    keep: bool  # take over the pictures that an earlier run made, render the others


def plan_images(prompts: pl.DataFrame, config: RenderConfig, renderer: Renderer) -> pl.DataFrame:
    """The IMAGES rows to render: every prompt that is not excluded, with its seeds."""
    wanted = prompts.filter(pl.col("split") != "excluded")
    renders = pl.when(pl.col("split") == "train").then(config.seeds_per_prompt).otherwise(1)
    repeated = wanted.with_columns(pl.int_ranges(0, renders).alias("nth")).explode("nth")
    pairs = list(zip(repeated["prompt_id"].to_list(), repeated["nth"].to_list(), strict=True))
    seeds = [stable_id("seed", prompt_id, nth) % SEED_RANGE for prompt_id, nth in pairs]
    image_ids = [
        stable_id(prompt_id, seed, renderer.generator)
        for (prompt_id, _), seed in zip(pairs, seeds, strict=True)
    ]
    settings = json.dumps(dict(renderer.settings), sort_keys=True)
    return repeated.select(
        pl.lit(None, pl.String).alias("key"),
        pl.Series("image_id", image_ids, pl.UInt64),
        "prompt_id",
        "prompt",
        "split",
        pl.Series("seed", seeds, pl.UInt64),
        pl.lit(renderer.generator).alias("generator"),
        pl.lit(settings).alias("settings"),
        pl.lit(0, pl.UInt32).alias("shard"),
        pl.lit(None, pl.String).alias("sha256"),
        pl.lit(None, pl.UInt32).alias("width"),
        pl.lit(None, pl.UInt32).alias("height"),
        pl.lit("failed").alias("status"),
        pl.lit("not rendered").alias("error_message"),
    ).select(list(IMAGES))


def render_images(
    folder: Path,
    prompts: pl.DataFrame,
    config: RenderConfig,
    retry_failed: bool = False,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> Rendered:
    """Render what is missing of this process' share; finished shards are not touched.

    A prompt that cannot be drawn becomes a row with status `failed`; `retry_failed` renders the
    shards again that hold one, keeping their other pictures.
    """
    rows = plan_images(prompts, config, load_renderer(config))
    starts = range(0, rows.height, config.images_per_shard)
    left = pending(folder, range(len(starts)))
    retried = set()
    if retry_failed and len(left) < len(starts):
        retried = set(failed_rows(folder)["shard"].to_list())
    own = engine.own(range(len(starts)))
    jobs = {
        n: ShardJob(folder, n, rows.slice(starts[n], config.images_per_shard), config, n in retried)
        for n in sorted({*left, *retried}.intersection(own))
    }
    done = map_shards(RenderWork(), jobs, engine, _demand(config))
    for _ in progress.track(done, "render shards", len(own), len(own) - len(jobs)):
        pass
    others = len(pending(folder, range(len(starts))))
    return Rendered(0 if others else failed_rows(folder).height, others)


@dataclass(frozen=True)
class RenderWork:
    """Shards to files, in whichever process it is loaded; the renderer stays loaded there."""

    def load(self, threads: int | None) -> Callable[[ShardJob], None]:
        """The function that makes one shard."""
        return render_shard


def _demand(config: RenderConfig) -> Demand:
    """Drawing takes a core; any other renderer takes a GPU where there is one."""
    if config.renderer == "scenes":
        return Demand(os.cpu_count() or 1)
    return Demand(devices=cuda_devices())


def render_shard(job: ShardJob) -> None:
    """Render, encode and write one shard."""
    renderer = load_renderer(job.config)
    made = dict(iterate_images(job.folder, job.shard)) if job.keep else {}
    encoded: list[bytes | None] = []
    errors: list[str | None] = []
    for place, row in enumerate(job.rows.iter_rows(named=True)):
        content = made.get(f"{job.shard:05d}{place:04d}")
        error = None
        if content is None:
            content, error = _render_one(renderer, row["prompt"], row["seed"], job.config)
        encoded.append(content)
        errors.append(error)
    table = _with_outcome(job.rows, errors, job.config.size_px)
    write_shard(job.folder, job.shard, table, encoded, job.config.format)


def _render_one(
    renderer: Renderer, prompt: str, seed: int, config: RenderConfig
) -> tuple[bytes | None, str | None]:
    try:
        picture = renderer.render([prompt], [seed])[0]
    except PromptError as error:
        return None, str(error)
    return encode_picture(picture, config.format, config.quality), None


def _with_outcome(rows: pl.DataFrame, errors: Sequence[str | None], size_px: int) -> pl.DataFrame:
    outcome = pl.Series("error_message", errors, pl.String)
    size = pl.when(outcome.is_null()).then(pl.lit(size_px, pl.UInt32))
    return rows.with_columns(
        outcome,
        pl.when(outcome.is_null())
        .then(pl.lit("success"))
        .otherwise(pl.lit("failed"))
        .alias("status"),
        size.alias("width"),
        size.alias("height"),
    )


@lru_cache(maxsize=2)
def load_renderer(config: RenderConfig) -> Renderer:
    """The renderer that the settings name; loaded once a process."""
    from unprompt.build.render.scenes.renderer import ScenesRenderer

    return ScenesRenderer(size_px=config.size_px)
