"""Prompts and seeds -> RUN/images: numbered webdataset shards, one pure function call per shard."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.load_renderer import encoding_threads, load_renderer, render_demand
from unprompt.build.pictures.output import map_behind, store
from unprompt.build.renderer import Drawn, Renderer
from unprompt.index.base.durable import digest_bytes, stable_id
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.tables import IMAGES
from unprompt.index.engines.engine import LOCAL, EngineConfig, map_shards
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import (
    failed_rows,
    find_damaged,
    pending,
    read_shard_rows,
    table_is_intact,
    write_shard,
)

SEED_RANGE = 2**32


class Rendered(NamedTuple):
    """The state of the folder after `render_images`."""

    failed: int  # rows without a picture, counted once all shards exist
    left: int  # shards that other processes still have to make


class ShardJob(NamedTuple):
    """Everything a worker needs to render one shard."""

    folder: Path
    shard: int
    rows: pl.DataFrame  # IMAGES, not yet rendered
    config: RenderConfig
    reuse: bool  # reuse the undamaged pictures of an earlier run


def plan_images(prompts: pl.DataFrame, config: RenderConfig, renderer: Renderer) -> pl.DataFrame:
    """The IMAGES rows to render: one row per seed of every prompt that is not excluded."""
    wanted = prompts.filter(pl.col("split") != "excluded")
    renders = pl.when(pl.col("split") == "train").then(config.seeds_per_prompt).otherwise(1)
    repeated = wanted.with_columns(pl.int_ranges(0, renders).alias("nth")).explode("nth")
    pairs = list(zip(repeated["prompt_id"].to_list(), repeated["nth"].to_list(), strict=True))
    named = ("seed", config.seed_set) if config.seed_set else ("seed",)
    seeds = [stable_id(*named, prompt_id, nth) % SEED_RANGE for prompt_id, nth in pairs]
    image_ids = [
        stable_id(prompt_id, seed, renderer.generator)
        for (prompt_id, _), seed in zip(pairs, seeds, strict=True)
    ]
    settings = _write_facts({**renderer.settings, **config.stored})
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
    """Render the missing shards of this process' share.

    A finished shard whose files do not match their digests is written again; its undamaged
    pictures are reused. A prompt that cannot be drawn gets the status `failed`; `retry_failed`
    renders such rows of finished shards again.
    """
    rows = plan_images(prompts, config, load_renderer(config))
    starts = range(0, rows.height, config.images_per_shard)
    left = pending(folder, range(len(starts)))
    own = engine.own(range(len(starts)))
    again = _damaged_shards(folder, sorted({*own} - {*left}), progress)
    if retry_failed:
        finished = {*own} - {*left, *again}
        again |= {n for n in finished if (read_shard_rows(folder, n)["status"] != "success").any()}
    jobs = {
        n: ShardJob(folder, n, rows.slice(starts[n], config.images_per_shard), config, n in again)
        for n in sorted({*left, *again}.intersection(own))
    }
    done = map_shards(RenderWork(), jobs, engine, render_demand(config))
    for _, note in progress.track(done, "render shards", len(own), len(own) - len(jobs)):
        if note:
            progress.note(note)
    others = len(pending(folder, range(len(starts))))
    return Rendered(0 if others else failed_rows(folder).height, others)


@dataclass(frozen=True)
class RenderWork:
    """Renders shards in any worker process; the renderer stays loaded there."""

    def load(self, threads: int | None) -> Callable[[ShardJob], str | None]:
        """The function that renders one shard."""
        return render_shard


def _damaged_shards(folder: Path, finished: Sequence[int], progress: Progress) -> set[int]:
    if not finished:
        return set()
    checked = progress.track(finished, "check shards", len(finished))
    found = {shard: faults for shard in checked if (faults := find_damaged(folder, shard))}
    for shard, faults in found.items():
        progress.note(
            f"images: shard {shard:05d} is damaged and written again: {'; '.join(faults)}"
        )
    return set(found)


def render_shard(job: ShardJob) -> str | None:
    """Render, encode and write one shard; returns a note for the user, if there is one."""
    renderer = load_renderer(job.config)
    made = _reusable_pictures(job) if job.reuse else {}
    missing = [place for place in range(job.rows.height) if place not in made]
    note = None
    if missing:
        wanted = job.rows[missing]
        started = renderer.batch_size
        threads = encoding_threads(job.config)
        drawn = map_behind(
            lambda one: _store(one, job.config), _draw(renderer, wanted), threads, 4 * started
        )
        made |= dict(zip(missing, drawn, strict=True))
        if renderer.batch_size < started:
            note = (
                f"images: memory ran out in shard {job.shard:05d}; batches of {started} pictures "
                f"became {renderer.batch_size}"
            )
    pictures = [made[place] for place in range(job.rows.height)]
    encoded = [picture.content for picture in pictures]
    table = _with_outcome(job.rows, pictures)
    write_shard(job.folder, job.shard, table, encoded, job.config.format)
    return note


class _Picture(NamedTuple):
    """The outcome of one row."""

    content: bytes | None
    error: str | None
    height: int | None
    width: int | None
    settings: str | None  # JSON; None: as planned


def _draw(renderer: Renderer, rows: pl.DataFrame) -> Iterator[tuple[Drawn, str]]:
    """The picture and the planned settings of each row, drawn in batches."""
    place = 0
    while place < rows.height:
        batch = rows[place : place + renderer.batch_size]
        drawn = renderer.draw(batch["prompt"].to_list(), batch["seed"].to_list())
        yield from zip(drawn, batch["settings"], strict=True)
        place += batch.height


def _store(one: tuple[Drawn, str], config: RenderConfig) -> _Picture:
    drawn, planned = one
    settings = _write_facts({**json.loads(planned), **drawn.facts}) if drawn.facts else None
    if drawn.picture is None:
        return _Picture(None, drawn.error, None, None, settings)
    content, (height, width) = store(drawn.picture, config.format, config.quality, config.output_px)
    return _Picture(content, None, height, width, settings)


def _reusable_pictures(job: ShardJob) -> dict[int, _Picture]:
    """Pictures that an earlier run drew for the same rows and whose digests match."""
    found: dict[str, bytes] = {}
    if not table_is_intact(job.folder, job.shard):
        return {}
    try:
        rows = read_shard_rows(job.folder, job.shard)
        for key, content in iterate_images(job.folder, job.shard):
            found[key] = content
    except DamagedFileError:
        if not found:  # else the tar is truncated: earlier files are complete
            return {}
    reusable = {}
    for place, row in enumerate(rows.head(job.rows.height).iter_rows(named=True)):
        content = found.get(f"{job.shard:05d}{place:04d}", b"")
        same = row["image_id"] == job.rows["image_id"][place]
        if same and row["status"] == "success" and digest_bytes(content) == row["sha256"]:
            size = row["height"], row["width"]
            reusable[place] = _Picture(content, None, *size, row["settings"])
    return reusable


def _write_facts(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, sort_keys=True)


def _with_outcome(rows: pl.DataFrame, pictures: Sequence[_Picture]) -> pl.DataFrame:
    errors = pl.Series("error_message", [picture.error for picture in pictures], pl.String)
    drawn = pl.Series([picture.content is not None for picture in pictures], dtype=pl.Boolean)
    settings = [p.settings or own for p, own in zip(pictures, rows["settings"], strict=True)]
    return rows.with_columns(
        errors,
        pl.when(drawn).then(pl.lit("success")).otherwise(pl.lit("failed")).alias("status"),
        pl.Series("settings", settings, pl.String),
        pl.Series("width", [picture.width for picture in pictures], pl.UInt32),
        pl.Series("height", [picture.height for picture in pictures], pl.UInt32),
    )
