"""What is to be made and the rates that are known -> what it costs: time, bytes, money.

Pure arithmetic: nothing is rendered, loaded or downloaded. Every line names the rate it used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from unprompt.build.planning.choose_rate import Choice, choose
from unprompt.build.planning.rates import PictureSize, Rate, Reference
from unprompt.build.planning.request import Piece, PlanOptions, PlanRequest, pieces_of
from unprompt.build.planning.storage import DiskLine, choose_picture_size, disk_lines, image_line
from unprompt.build.planning.work import index_gflop
from unprompt.index.search.factory import IndexChoice, choose_factory, choose_index
from unprompt.index.search.memory import index_size

DAY = 86_400.0


@dataclass(frozen=True)
class PlanLine:
    """One piece of work by one rate."""

    stage: str
    label: str
    items: float
    unit: str
    choice: Choice | None  # none: no rate is known
    seconds: float  # all of it, on one GPU or on the machine's cores

    @property
    def gpu(self) -> str | None:
        """The kind of GPU, None for work of the CPU."""
        return self.choice.rate.gpu if self.choice else None

    @property
    def gpu_days(self) -> float:
        """0 for what runs on the CPU."""
        return self.seconds / DAY if self.gpu else 0.0


@dataclass(frozen=True)
class Work:
    """A piece of work with every rate that serves it: the first is counted."""

    counted: PlanLine
    others: tuple[PlanLine, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All of it."""

    request: PlanRequest
    options: PlanOptions
    works: tuple[Work, ...]
    disk: tuple[DiskLine, ...]
    factory: str
    index_memory: tuple[tuple[str, int], ...]  # factory string -> bytes loaded; the first is chosen
    first_index_seconds: float
    missing: tuple[str, ...] = field(default=())  # stages without a rate
    lists_on_disk: bool = False  # of the chosen index

    @property
    def gpu_days(self) -> float:
        """Over all work that is counted."""
        return sum(work.counted.gpu_days for work in self.works)

    @property
    def cost(self) -> float | None:
        """Money for the GPU-days, None without a price."""
        price = self.options.price
        return None if price is None else 24 * self.gpu_days * price

    @property
    def wall_seconds(self) -> float:
        """One stage after the other, the GPUs' work shared evenly."""
        return sum(_wall(work.counted, self.options) for work in self.works)

    @property
    def disk_bytes(self) -> int:
        """Over all lines."""
        return sum(line.bytes for line in self.disk)


def make_plan(
    request: PlanRequest,
    options: PlanOptions,
    rates: Sequence[Rate],
    pictures: Sequence[PictureSize],
    known: Reference,
) -> Plan:
    """Plan a build; raises ConfigError where a setting cannot be planned at all."""
    factory = choose_factory(request.rows, request.dim, request.index)
    works = []
    for variants in pieces_of(request, factory):
        lines = [line for piece in variants for line in _lines(piece, rates, known, options)]
        works.append(Work(lines[0], tuple(_others(lines))))
    kept = request.index.keep_keys
    disk = disk_lines(request.prompts, request.images, request.rows, request.dim, factory, kept)
    for render in request.renders[:1]:
        size = choose_picture_size(pictures, render.kind, request.format, request.quality)
        disk.insert(0, image_line(request.images, render.stored_px, size))
    chosen = choose_index(request.rows, request.dim, request.index)[0]
    missing = tuple(work.counted.label for work in works if work.counted.choice is None)
    return Plan(
        request,
        options,
        tuple(works),
        tuple(disk),
        factory,
        _index_memory(request, factory, chosen),
        _first_index_seconds(request, options, works),
        missing,
        chosen.on_disk,
    )


def _lines(
    piece: Piece, rates: Sequence[Rate], known: Reference, options: PlanOptions
) -> list[PlanLine]:
    """A piece by every rate that serves it, best first; one line without a rate if none does."""
    lines = [
        PlanLine(
            piece.stage, piece.label, piece.items, piece.unit, choice,
            _total(choice, piece.items, options.cores),
        )
        for choice in choose(piece.need, rates, known, options.gpu)
        if choice.rate.recipe is not None or not piece.own_rate
    ]  # fmt: skip
    return lines or [PlanLine(piece.stage, piece.label, piece.items, piece.unit, None, 0.0)]


def _total(choice: Choice, items: float, cores: int) -> float:
    """Seconds on one device; a rate of some cores of a CPU is spread over those there are."""
    share = choice.rate.cores / cores if choice.rate.cores else 1.0
    return choice.seconds * items * share


def _others(lines: Sequence[PlanLine]) -> list[PlanLine]:
    """Of rendering every other rate, of the rest the best one of every other device."""
    everything = lines[0].stage == "render"
    seen = {lines[0].gpu}
    others = []
    for line in lines[1:]:
        stretched = line.gpu is None and not (line.choice and line.choice.exact)
        if not stretched and (everything or line.gpu not in seen):
            others.append(line)
            seen.add(line.gpu)
    return others


def _wall(line: PlanLine, options: PlanOptions) -> float:
    return line.seconds / options.gpus if line.gpu else line.seconds


def _first_index_seconds(
    request: PlanRequest, options: PlanOptions, works: Sequence[Work]
) -> float:
    """Until the first shards are drawn, embedded and indexed; the corpus is made whole before.

    A GPU draws whole shards, so that N shards on k GPUs take N / k rounds, rounded up.
    """
    shards = min(options.first, request.shards)
    images = min(request.images, shards * request.images_per_shard)
    rounds = math.ceil(shards / options.gpus)
    seconds = 0.0
    for work in works:
        line = work.counted
        if line.stage == "corpus":
            seconds += line.seconds
        elif line.stage in ("render", "embed"):
            share = line.seconds / max(request.images, 1)
            seconds += share * (
                min(rounds * request.images_per_shard, images) if line.gpu else images
            )
        elif line.stage == "index" and line.choice is not None:
            rows = max(1, min(images, request.rows))
            factory = choose_factory(rows, request.dim, request.index)
            gflop = index_gflop(factory, rows, request.dim, request.held_out)
            seconds += _total(line.choice, gflop, options.cores)
    return seconds


def _index_memory(
    request: PlanRequest, factory: str, chosen: IndexChoice
) -> tuple[tuple[str, int], ...]:
    """Bytes of the chosen index, and of others of the same rows for comparison."""
    lists = 1 << (round(4 * request.rows**0.5) - 1).bit_length()
    pieces = max(1, request.dim // 4)
    kinds = (
        factory, "Flat", "SQ8", f"IVF{lists},Flat", f"IVF{lists},SQ8", "HNSW32",
        f"IVF{lists},PQ{pieces}x4fs", f"IVF{lists},RaBitQ",
    )  # fmt: skip
    sizes = {kind: index_size(kind, request.rows, request.dim).memory_bytes for kind in kinds}
    if chosen.memory_bytes is not None:  # less than its size where its lists stay on disk
        sizes[factory] = chosen.memory_bytes
    return tuple(sizes.items())
