"""Counts of a build and known rates -> its cost: time, GPU-days, money, disk and memory.

This is arithmetic alone: nothing is rendered, loaded or downloaded. Every line names its rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unprompt.build.planning.choose_rate import ScaledRate, choose_rates
from unprompt.build.planning.rates import Costs
from unprompt.build.planning.storage import DiskLine, disk_lines
from unprompt.build.planning.work import PlanRequest, Work, index_gflop
from unprompt.index.search.factory import IndexChoice, choose_factory, choose_index
from unprompt.index.search.factory_string import parse_factory

DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class PlanOptions:
    """Devices that a build runs on, and their price."""

    cores: int = 1  # CPU cores
    gpus: int = 1
    gpu: str | None = None  # preferred GPU kind
    price: float | None = None  # per GPU-hour
    first: int = 20  # image shards in the first index


@dataclass(frozen=True)
class PlanLine:
    """The cost of one piece of work by one rate."""

    work: Work
    rate: ScaledRate | None  # None: no rate is known
    seconds: float  # in total, on one GPU or on all CPU cores
    others: tuple["PlanLine", ...] = ()  # the same work by other rates, not counted

    @property
    def gpu(self) -> str | None:
        """GPU kind; None for work on the CPU."""
        return self.rate.rate.gpu if self.rate else None

    @property
    def gpu_days(self) -> float:
        """0 for work on the CPU."""
        return self.seconds / DAY if self.gpu else 0.0


@dataclass(frozen=True)
class Plan:
    """The cost of a build."""

    request: PlanRequest
    options: PlanOptions
    lines: tuple[PlanLine, ...]
    disk: tuple[DiskLine, ...]
    factory: str  # of the index
    index_memory: dict[str, int]  # factory string -> bytes of the loaded index; the first is chosen
    lists_on_disk: bool = False  # of the chosen index

    @property
    def gpu_days(self) -> float:
        """Sum over all lines."""
        return sum(line.gpu_days for line in self.lines)

    @property
    def cost(self) -> float | None:
        """Price of the GPU-days; None without a price per hour."""
        price = self.options.price
        return None if price is None else 24 * self.gpu_days * price

    @property
    def wall_seconds(self) -> float:
        """Time of all stages one after the other, GPU work shared evenly between the GPUs."""
        return sum(
            line.seconds / self.options.gpus if line.gpu else line.seconds for line in self.lines
        )

    @property
    def disk_bytes(self) -> int:
        """Sum over all kinds of file."""
        return sum(line.bytes for line in self.disk)

    @property
    def missing(self) -> list[PlanLine]:
        """Lines without a rate."""
        return [line for line in self.lines if line.rate is None]

    @property
    def first_shards(self) -> int:
        """Image shards in the first index."""
        return min(self.options.first, self.request.shards)

    @property
    def first_images(self) -> int:
        """Images in the first index."""
        return min(self.request.images, self.first_shards * self.request.images_per_shard)

    @property
    def first_index_seconds(self) -> float:
        """Time of the whole corpus, and of rendering, embedding and indexing the first shards.

        A GPU renders whole shards: n shards on k GPUs take n / k rounds, rounded up.
        """
        request, images = self.request, self.first_images
        rounds = math.ceil(self.first_shards / self.options.gpus)
        seconds = 0.0
        for line in self.lines:
            if line.work.stage == "corpus":
                seconds += line.seconds
            elif line.work.stage in ("render", "embed"):
                per_gpu = min(rounds * request.images_per_shard, images)
                share = line.seconds / max(request.images, 1)
                seconds += share * (per_gpu if line.gpu else images)
            elif line.work.stage == "index" and line.rate is not None:
                rows = max(1, min(images, request.rows))
                factory = choose_factory(rows, request.dim, request.index)
                gflop = index_gflop(factory, rows, request.dim, request.held_out)
                seconds += _total_seconds(line.rate, gflop, self.options.cores)
        return seconds


def make_plan(request: PlanRequest, options: PlanOptions, costs: Costs) -> Plan:
    """Plan a build; raises ConfigError where the index or the image format has no known size."""
    factory = choose_factory(request.rows, request.dim, request.index)
    disk = disk_lines(request, factory, costs.pictures)
    chosen = choose_index(request.rows, request.dim, request.index)[0]
    lines = []
    for alternatives in request.works(factory):
        first, *others = (line for work in alternatives for line in _lines(work, options, costs))
        lines.append(replace(first, others=_worth_showing(first, others)))
    memory = _index_memory(request, factory, chosen)
    return Plan(request, options, tuple(lines), tuple(disk), factory, memory, chosen.on_disk)


def _lines(work: Work, options: PlanOptions, costs: Costs) -> list[PlanLine]:
    """One line per rate that applies, best first; a line without a rate where none applies."""
    found = [
        PlanLine(work, rate, _total_seconds(rate, work.items, options.cores))
        for rate in choose_rates(work.item, costs, options.gpu)
    ]
    return found or [PlanLine(work, None, 0.0)]


def _total_seconds(rate: ScaledRate, items: float, cores: int) -> float:
    """Seconds on one GPU, or on `cores` CPU cores that share the work evenly."""
    share = rate.rate.cores / cores if rate.rate.cores else 1.0
    return rate.seconds * items * share


def _worth_showing(first: PlanLine, others: Sequence[PlanLine]) -> tuple[PlanLine, ...]:
    """All other lines of rendering; of other stages the best line of each other device."""
    seen, shown = {first.gpu}, []
    for line in others:
        scaled_on_cpu = line.gpu is None and not (line.rate and line.rate.exact)
        if not scaled_on_cpu and (first.work.stage == "render" or line.gpu not in seen):
            shown.append(line)
            seen.add(line.gpu)
    return tuple(shown)


def _index_memory(request: PlanRequest, factory: str, chosen: IndexChoice) -> dict[str, int]:
    """Bytes of the chosen index, and of other kinds over the same rows for comparison."""
    lists = 1 << (round(4 * request.rows**0.5) - 1).bit_length()
    codes = max(1, request.dim // 4)
    kinds = (
        factory, "Flat", "SQ8", f"IVF{lists},Flat", f"IVF{lists},SQ8", "HNSW32",
        f"IVF{lists},PQ{codes}x4fs", f"IVF{lists},RaBitQ",
    )  # fmt: skip
    sizes = {kind: parse_factory(kind).size_bytes(request.rows, request.dim) for kind in kinds}
    if chosen.memory_bytes is not None:  # less than its size where its lists stay on disk
        sizes[factory] = chosen.memory_bytes
    return sizes
