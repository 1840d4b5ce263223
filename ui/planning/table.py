"""A plan -> a page on the terminal: time, money, disk, memory, and where each rate comes from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from unprompt.build.planning.choose_rate import UNSTATED
from unprompt.build.planning.plan import Plan, PlanLine
from unprompt.ui.planning.compare import days_by_kind, savings
from unprompt.ui.planning.figures import show_bytes, show_count, show_days, show_money, show_time

WIDTH = 118  # where the output is no terminal
COUNTED = ("prompts", "images")


@dataclass
class _Sources:
    """Rates in the order they are named; each has a number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, line: PlanLine) -> str:
        if line.choice is None:
            return ""
        rate = line.choice.rate
        text = f"{line.choice.how}. {rate.device}: {rate.source} ({rate.date})"
        return f"[{self.numbers.setdefault(text, len(self.numbers) + 1)}]"


def print_plan(plan: Plan) -> None:
    """Print the page."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    request, sources = plan.request, _Sources()
    console.print(
        f"{request.name}: {show_count(request.prompts)} prompts, {show_count(request.images)} "
        f"images, {request.shards:,} shards of {request.images_per_shard}",
        markup=False,
    )
    console.print("\nTime")
    console.print(_times(plan, sources))
    for line in (*_totals(plan), *savings(plan)):
        console.print(line, markup=False)
    if plan.gpu_days:
        console.print("\nGPU-days by kind of GPU, where there is a rate for all of a stage")
        console.print(_by_kind(plan))
    console.print("\nDisk")
    console.print(_disk(plan))
    console.print(
        f"\nMemory of an index of {show_count(request.rows)} rows of {request.dim} numbers"
    )
    console.print(_memory(plan))
    console.print("\nRates")
    for text, number in sources.numbers.items():
        console.print(f"[{number}] {text}", markup=False)
    for note in request.notes:
        console.print(f"note: {note}", markup=False)
    for label in plan.missing:
        console.print(f"missing: no rate for {label!r}; {_mend(plan, label)}", markup=False)


def _times(plan: Plan, sources: _Sources) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("work", "items", "each", "on", "rate", "time", "GPU-days"):
        right = name in ("items", "each", "time", "GPU-days")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "work")
    if plan.options.price is not None:
        table.add_column("cost", justify="right", no_wrap=True)
    for work in plan.works:
        table.add_row(*_cells(work.counted, plan, sources))
        if work.counted.stage == "render":
            for line in work.others:
                table.add_row(*_cells(line, plan, sources, "  or " + line.label), style="dim")
    return table


def _cells(line: PlanLine, plan: Plan, sources: _Sources, label: str | None = None) -> list[str]:
    items = show_count(line.items) if line.unit in COUNTED else ""
    if line.choice is None:
        return [label or line.label, items, "", "", "", "no rate", "", ""][: 7 + _priced(plan)]
    each = show_time(line.choice.seconds) if line.unit in COUNTED else ""
    cells = [
        label or line.label,
        items,
        each,
        _on(line, plan),
        sources.number(line).replace("[", r"\["),
        show_time(line.seconds),
        show_days(line.gpu_days) if line.gpu else "",
    ]
    if plan.options.price is not None:
        cells.append(show_money(24 * line.gpu_days * plan.options.price) if line.gpu else "")
    return cells


def _priced(plan: Plan) -> int:
    return int(plan.options.price is not None)


def _device(line: PlanLine, plan: Plan) -> str:
    if line.gpu == UNSTATED:
        return "GPU not stated"
    return line.gpu or f"CPU, {plan.options.cores} cores"


def _on(line: PlanLine, plan: Plan) -> str:
    """The device, and how a published rendering rate came about."""
    settings = line.choice.rate.settings if line.choice else {}
    batch = f", batch {settings['batch']}" if "batch" in settings else ""
    return _device(line, plan) + batch + (", compiled" if settings.get("compiled") else "")


def _totals(plan: Plan) -> Iterator[str]:
    days: dict[str, float] = {}
    for work in plan.works:
        if work.counted.gpu:
            name = _device(work.counted, plan)
            days[name] = days.get(name, 0.0) + work.counted.gpu_days
    options, request = plan.options, plan.request
    kinds = ", ".join(f"{show_days(value)} {name}" for name, value in days.items())
    cost = f", {show_money(plan.cost)}" if plan.cost is not None else ""
    price = (
        f" at {show_money(options.price)} a GPU-hour, CPU time not priced"
        if options.price is not None
        else ""
    )
    yield ""
    if days:
        yield f"total: {show_days(plan.gpu_days)} GPU-days ({kinds}){cost}{price}"
    gpus = f"{options.gpus} GPU" + ("s" if options.gpus > 1 else "")
    on = f"on {gpus} and {options.cores} CPU cores" if days else f"on {options.cores} CPU cores"
    first = min(options.first, request.shards)
    images = min(request.images, first * request.images_per_shard)
    yield f"all of it {on}: {show_time(plan.wall_seconds)}, one stage after the other"
    yield (
        f"first index, of {first} shards ({show_count(images)} images), "
        f"{on}: {show_time(plan.first_index_seconds)}"
    )


def _by_kind(plan: Plan) -> Table:
    """GPU-days of each stage on every kind of GPU that there are rates of."""
    table = Table(box=None, pad_edge=False)
    stages = days_by_kind(plan)
    kinds = list(dict.fromkeys(kind for days in stages.values() for kind in days))
    table.add_column("stage")
    for kind in kinds:
        table.add_column(kind, justify="right", no_wrap=True)
    for stage, days in stages.items():
        table.add_row(stage, *(show_days(days[k]) if k in days else "-" for k in kinds))
    return table


def _disk(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("files")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("how")
    for line in plan.disk:
        table.add_row(line.what, show_bytes(line.bytes), line.how)
    table.add_row("total", show_bytes(plan.disk_bytes), "")
    return table


def _memory(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("index.factory")
    table.add_column("loaded", justify="right", no_wrap=True)
    table.add_column("")
    chosen = "chosen, its lists on disk" if plan.lists_on_disk else "chosen"
    for place, (factory, size) in enumerate(plan.index_memory):
        table.add_row(factory, show_bytes(size), chosen if place == 0 else "")
    return table


def _mend(plan: Plan, label: str) -> str:
    stage = next(w.counted.stage for w in plan.works if w.counted.label == label)
    part = {"corpus": "prompts", "index": "search"}.get(stage, stage)
    return f"measure it: unprompt bench {part} --config {plan.request.name}"
