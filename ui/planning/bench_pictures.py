"""The parts of a benchmark with pictures: drawing them, and embedding them with a tower."""

from collections.abc import Iterator
from dataclasses import replace

from unprompt.build.pictures.config import RenderConfig
from unprompt.build.planning.rates import PictureSize
from unprompt.build.planning.work import render_work
from unprompt.index.base.settings import write_settings
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.ui.planning.bench_parts import Bench, Found
from unprompt.ui.planning.request import encoder_of
from unprompt.ui.planning.training_work import encoder_need

SHARDS = "shards"
TOWERS = (
    EncoderConfig(model="efficientnet-lite0"),
    EncoderConfig(model="efficientnet-lite2"),
    EncoderConfig(model="efficientnet-lite0", runtime="torch"),
)


def bench_render(bench: Bench) -> Iterator[Found]:
    """The renderer of the config, scenes without one: a process that draws, encodes and writes."""
    from unprompt.build.planning.speed import time_rendering

    config = bench.config.build.render if bench.config else RenderConfig()
    render = write_settings(config)
    work = render_work(render, bench.known)
    found = time_rendering(bench.folder / "render", config, bench.prompts, bench.repeats)
    drawn_by_process = work.subject == "scenes"
    cores = 1 if drawn_by_process else _cpu_cores(render, bench)
    yield bench.rate("render", work.subject, found.seconds, work.settings, work.work, cores)
    quality = None if config.format == "png" else render["quality"]
    yield PictureSize(
        kind=work.kind,
        format=config.format,
        quality=quality,
        bytes_per_pixel=found.bytes_per_pixel,
        source=f"unprompt bench, {bench.images} pictures",
        date=bench.rate("render", work.subject, 1.0, {}).date,
        measured=True,
    )


def _cpu_cores(render: dict[str, object], bench: Bench) -> int | None:
    """The cores of a pipeline that was told to run on the CPU; None leaves it to the GPU."""
    section = render.get("diffusion")
    asked = str(section.get("device", "")) if isinstance(section, dict) else ""
    return bench.machine.cores if asked == "cpu" else None


def bench_embed(bench: Bench) -> Iterator[Found]:
    """Towers on a shard of scenes: the config's own, or the offline ones without a config."""
    from unprompt.build.planning.speed import time_embedding, time_rendering

    shards = bench.folder / SHARDS
    time_rendering(shards, RenderConfig(), bench.prompts, 1)  # for its pictures
    towers = TOWERS if bench.config is None else (encoder_of(bench.config),)
    for number, tower in enumerate(towers):
        need = encoder_need(tower, bench.known)
        plain = replace(tower, output="features" if _is_offline(tower) else "embedding")
        folder = bench.folder / f"tower-{number}"
        seconds, _ = time_embedding(shards, folder, plain, bench.repeats)
        cores = bench.machine.cores if tower.runtime == "openvino" else None
        yield bench.rate("embed", need.subject, seconds, need.settings, need.work, cores)


def _is_offline(tower: EncoderConfig) -> bool:
    from unprompt.index.towers.offline_towers import OFFLINE_TOWERS

    return tower.model in OFFLINE_TOWERS
