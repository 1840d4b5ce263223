"""The parts of `unprompt bench`: each runs one kind of component -> its rates on this device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.pictures.render import ShardJob, load_renderer, plan_images, render_shard
from unprompt.build.planning.rates import Costs, PictureSize, Rate
from unprompt.build.planning.work import DISTANCES, ENCODER, Item, render_item
from unprompt.build.scenes.grammar import sample_prompts
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import Machine, gpu_kind
from unprompt.index.base.settings import write_settings
from unprompt.index.base.tables import PROMPTS, ROWS
from unprompt.index.base.timing import median_seconds
from unprompt.index.encoders.protocols import EncoderConfig, TextEncoder, to_unit_length
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import read_shard_rows
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.ui.jobs.config import RunConfig, load_config
from unprompt.ui.planning.items import PHASES, encoder_item, is_cached, training_item
from unprompt.ui.planning.request import embedding_tower

INDEX_ROWS, DIM, QUERIES, NEIGHBORS = 20_000, 256, 500, 100  # of the timed search
TARGET_DIM = 8  # of the timed index: a search does not read targets
TOWERS = (
    EncoderConfig(model="efficientnet-lite0"),
    EncoderConfig(model="efficientnet-lite2"),
    EncoderConfig(model="efficientnet-lite0", runtime="torch"),
)


@dataclass(frozen=True)
class BenchOptions:
    """How much is measured, and on which device."""

    device: str | None = None  # cpu, cuda or cuda:1; None: the first GPU, if any
    images: int = 64  # per round
    repeats: int = 3  # rounds; the median counts


@dataclass(frozen=True)
class Bench:
    """What every part is given."""

    folder: Path  # scratch
    config: RunConfig | None
    options: BenchOptions
    machine: Machine
    costs: Costs
    asked: bool  # the user named single parts: a config without their section is an error

    @property
    def prompts(self) -> list[str]:
        """Prompts to render and encode."""
        return sample_prompts(self.options.images, 1)

    def rate(self, item: Item, seconds: float, cores: int | None = None) -> Rate:
        """A measured rate: of `cores` CPU cores where given, else of the GPU or all cores."""
        gpu = None if cores else self.machine.gpu
        return Rate(
            stage=item.stage,
            subject=item.subject,
            device=gpu or self.machine.cpu,
            seconds=seconds,
            source=f"unprompt bench, median of {self.options.repeats}",
            date=date.today().isoformat(),
            gpu=gpu_kind(gpu, self.costs.gpu_kinds) if gpu else None,
            cores=None if gpu else cores or self.machine.cores,
            work=item.work,
            settings=item.settings,
            measured=True,
        )


def bench_render(bench: Bench) -> Iterator[Rate | PictureSize]:
    """The renderer of the config, or scenes: one process renders, encodes and writes."""
    config = bench.config.build.render if bench.config else RenderConfig()
    render = render_item(write_settings(config), bench.costs)
    seconds, bytes_per_pixel = _time_rendering(
        bench.prompts, config, bench.folder / "render", bench.options.repeats
    )
    on_cpu = config.diffusion is not None and config.diffusion.device == "cpu"
    cores = 1 if render.kind == "scenes" else bench.machine.cores if on_cpu else None
    yield bench.rate(render.item, seconds, cores)
    yield PictureSize(
        kind=render.kind,
        format=config.format,
        quality=None if config.format == "png" else config.quality,
        bytes_per_pixel=bytes_per_pixel,
        source=f"unprompt bench, {bench.options.images} pictures",
        date=date.today().isoformat(),
        measured=True,
    )


def _time_rendering(
    prompts: Sequence[str], config: RenderConfig, folder: Path, repeats: int
) -> tuple[float, float]:
    """(seconds per image, stored bytes per pixel), without loading; every round has new seeds.

    Shard 0 of `folder` holds the images of the first round. Raises ConfigError where no prompt
    can be rendered.
    """
    config = replace(config, images_per_shard=len(prompts), seeds_per_prompt=1)
    table = _fill_table(PROMPTS, range(1, len(prompts) + 1), {"prompt": prompts})
    table = table.with_columns(split=pl.lit("train"))
    rows = plan_images(table, config, load_renderer(config))

    def render(number: int) -> None:
        seeds = (pl.col("seed") + number) % 2**32
        render_shard(ShardJob(folder, number, rows.with_columns(seeds), config, False))

    seconds = median_seconds(render, repeats)
    table = read_shard_rows(folder, 0)
    rendered = table.filter(pl.col("status") == "success")
    if rendered.is_empty():
        fault = table["error_message"][0]
        raise ConfigError(f"none of {len(prompts)} prompts could be rendered: {fault}")
    pixels = int((rendered["width"].cast(pl.Int64) * rendered["height"].cast(pl.Int64)).sum())
    stored = sum(len(content) for _, content in iterate_images(folder, 0))
    return seconds / len(prompts), stored / pixels


def bench_embed(bench: Bench) -> Iterator[Rate]:
    """The tower of the config, or the offline towers, on a shard of scenes: read, decode, embed."""
    shards = bench.folder / "shards"
    _time_rendering(bench.prompts, RenderConfig(), shards, 1)  # for its images
    towers = TOWERS if bench.config is None else (embedding_tower(bench.config),)
    for number, tower in enumerate(towers):
        seconds = _time_embedding(
            tower, bench.folder / f"tower-{number}", shards, bench.options.repeats
        )
        cores = bench.machine.cores if tower.runtime == "openvino" else None
        yield bench.rate(encoder_item(tower, bench.costs), seconds, cores)


def _time_embedding(tower: EncoderConfig, folder: Path, shards: Path, repeats: int) -> float:
    """Seconds per image of shard 0; the exported tower is put into `folder`."""
    from unprompt.index.exported.bulk import encode_contents
    from unprompt.index.exported.export import export_encoder, load_encoder
    from unprompt.index.towers.offline_towers import OFFLINE_TOWERS

    offline = tower.model in OFFLINE_TOWERS
    export_encoder(replace(tower, output="features" if offline else "embedding"), folder)
    encoder = load_encoder(folder)
    count = sum(1 for _ in iterate_images(shards, 0))
    seconds = median_seconds(
        lambda _: list(encode_contents(encoder, iterate_images(shards, 0))), repeats
    )
    return seconds / max(count, 1)


def bench_prompts(bench: Bench) -> Iterator[Rate]:
    """all-MiniLM-L6-v2 as the stage corpus runs it, and in OpenVINO as a query runs it."""
    from unprompt.index.engines.devices import load_target_encoder
    from unprompt.index.prompt_encoders.target_encoder import load_query_prompt_encoder

    prompts = bench.prompts

    def time_encoding(encoder: TextEncoder) -> float:
        seconds = median_seconds(lambda _: encoder.encode(prompts), bench.options.repeats)
        return seconds / len(prompts)

    yield bench.rate(Item("prompts", ENCODER), time_encoding(load_target_encoder()))
    in_openvino = Item("prompts", f"{ENCODER} in OpenVINO")
    yield bench.rate(in_openvino, time_encoding(load_query_prompt_encoder()), bench.machine.cores)


def bench_search(bench: Bench) -> Iterator[Rate]:
    """FAISS over random keys, one batch of queries: all rows, and inverted lists."""
    from unprompt.index.vectors.faiss_library import load_faiss

    threads = int(load_faiss().omp_get_max_threads())
    settings = {"rows": INDEX_ROWS, "dim": DIM, "k": NEIGHBORS, "batch": QUERIES}
    for factory in ("Flat", "IVF512,SQ8"):
        seconds = _time_search(factory, bench.folder / f"search-{factory}", bench.options.repeats)
        item = Item("search", factory, settings={**settings})
        yield bench.rate(item, seconds / QUERIES, threads)
        if factory == "Flat":
            gflop = 2 * INDEX_ROWS * DIM * QUERIES / 1e9
            yield bench.rate(Item("index", DISTANCES), seconds / gflop, threads)


def _time_search(factory: str, folder: Path, repeats: int) -> float:
    """Seconds of one batch of queries; the index is built in `folder`."""
    generator = np.random.default_rng(0)
    keys, queries, targets = (
        to_unit_length(generator.standard_normal(shape))
        for shape in ((INDEX_ROWS, DIM), (QUERIES, DIM), (INDEX_ROWS, TARGET_DIM))
    )
    numbers = range(INDEX_ROWS)
    rows = _fill_table(ROWS, numbers, {"key": [f"{number:09d}" for number in numbers]})
    content = IndexContent(rows, keys, targets, "random", "random")
    write_index(folder, content, queries[:0], IndexConfig(factory))
    index = PromptIndex.load(folder)
    return median_seconds(lambda _: index.search(queries, NEIGHBORS), repeats)


def _fill_table(
    schema: pl.Schema, numbers: range, columns: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """One row per number: the given columns, the number in other columns, `bench` as other text."""
    fill = {
        name: ["bench"] * len(numbers) if kind == pl.String else numbers
        for name, kind in schema.items()
    }
    return pl.DataFrame({**fill, **columns}, schema=schema)


def bench_train(bench: Bench) -> Iterator[Rate]:
    """A step of each stage of `train:` (the starter's without a config), LP-FT and the cache."""
    config = bench.config or load_config("starter")
    section = config.train
    if section is None:
        if bench.asked:
            raise ConfigError(f"{config.build.name} has no section `train:` to measure")
        return
    from unprompt.inversion.train.speed import time_training

    for stage in section.stages:
        speed = time_training(section, stage, is_cached(section, stage), bench.options.repeats)
        for phase in PHASES:
            if (seconds := getattr(speed, phase)) is not None:
                yield bench.rate(training_item(section, stage, phase, bench.costs), seconds)


PARTS: dict[str, Callable[[Bench], Iterator[Rate | PictureSize]]] = {
    "render": bench_render,
    "embed": bench_embed,
    "prompts": bench_prompts,
    "search": bench_search,
    "train": bench_train,
}
