"""A plan -> a page for people: time, money, disk, memory, and the source of each rate."""

from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Column, Table

from unprompt.build.planning.plan import Plan, PlanLine
from unprompt.build.planning.rates import UNSTATED
from unprompt.ui.planning.figures import show_bytes, show_count, show_days, show_money, show_time

WIDTH = 118  # where the output is no terminal
COUNTED = ("prompts", "images")  # units whose counts are shown
RIGHT = partial(Column, justify="right", no_wrap=True)
LEFT = partial(Column, no_wrap=True)


def print_plan(plan: Plan) -> None:
    """Print the page."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    say = partial(console.print, markup=False)
    request = plan.request
    sources: dict[str, int] = {}  # text of a rate -> its number
    say(
        f"{request.name}: {show_count(request.prompts)} prompts, {show_count(request.images)} "
        f"images, {request.shards:,} shards of {request.images_per_shard}"
    )
    say("\nTime")
    say(_time_table(plan, sources))
    for text in (*_totals(plan), *_savings(plan)):
        say(text)
    if plan.gpu_days:
        say("\nGPU-days by kind of GPU, where there is a rate for all of a stage")
        say(_kind_table(plan))
    say("\nDisk")
    say(_disk_table(plan))
    say(f"\nMemory of an index of {show_count(request.rows)} rows of {request.dim} numbers")
    say(_memory_table(plan))
    say("\nRates")
    for text, number in sources.items():
        say(f"[{number}] {text}")
    for note in request.notes:
        say(f"note: {note}")
    for line in plan.missing:
        part = {"corpus": "prompts", "index": "search"}.get(line.work.stage, line.work.stage)
        mend = f"measure it: unprompt bench {part} --config {request.name}"
        say(f"missing: no rate for {line.work.label!r}; {mend}")


def _time_table(plan: Plan, sources: dict[str, int]) -> Table:
    price = [RIGHT("cost")] if plan.options.price is not None else []
    table = Table(
        "work", RIGHT("items"), RIGHT("each"), LEFT("on"), LEFT("rate"), RIGHT("time"),
        RIGHT("GPU-days"), *price, box=None, pad_edge=False,
    )  # fmt: skip
    for line in plan.lines:
        table.add_row(line.work.label, *_time_cells(line, plan, sources)[: len(table.columns) - 1])
        for other in line.others if line.work.stage == "render" else ():
            cells = _time_cells(other, plan, sources)[: len(table.columns) - 1]
            table.add_row("  or " + other.work.label, *cells, style="dim")
    return table


def _time_cells(line: PlanLine, plan: Plan, sources: dict[str, int]) -> list[str]:
    """All columns but the label; the last one is the cost."""
    work, scaled = line.work, line.rate
    items = show_count(work.items) if work.unit in COUNTED else ""
    if scaled is None:
        return [items, "", "", "", "no rate", "", ""]
    rate = scaled.rate
    source = f"{scaled.arithmetic}. {rate.device}: {rate.source} ({rate.date})"
    batch = f", batch {rate.settings['batch']}" if "batch" in rate.settings else ""
    return [
        items,
        show_time(scaled.seconds) if work.unit in COUNTED else "",
        _device(line, plan) + batch + (", compiled" if rate.settings.get("compiled") else ""),
        f"[{sources.setdefault(source, len(sources) + 1)}]",
        show_time(line.seconds),
        show_days(line.gpu_days) if line.gpu else "",
        show_money(24 * line.gpu_days * (plan.options.price or 0)) if line.gpu else "",
    ]


def _device(line: PlanLine, plan: Plan) -> str:
    if line.gpu == UNSTATED:
        return "GPU not stated"
    return line.gpu or f"CPU, {plan.options.cores} cores"


def _totals(plan: Plan) -> Iterator[str]:
    """GPU-days and cost, time of the whole build, time until the first index."""
    options = plan.options
    days: dict[str, float] = {}
    for line in plan.lines:
        if line.gpu:
            device = _device(line, plan)
            days[device] = days.get(device, 0.0) + line.gpu_days
    yield ""
    on = f"on {options.cores} CPU cores"
    if days:
        kinds = ", ".join(f"{show_days(value)} {name}" for name, value in days.items())
        cost = ""
        if options.price is not None and plan.cost is not None:
            price = show_money(options.price)
            cost = f", {show_money(plan.cost)} at {price} a GPU-hour, CPU time not priced"
        yield f"total: {show_days(plan.gpu_days)} GPU-days ({kinds}){cost}"
        gpus = f"{options.gpus} GPU" + ("s" if options.gpus > 1 else "")
        on = f"on {gpus} and {options.cores} CPU cores"
    yield f"all of it {on}: {show_time(plan.wall_seconds)}, one stage after the other"
    yield (
        f"first index, of {plan.first_shards} shards ({show_count(plan.first_images)} images), "
        f"{on}: {show_time(plan.first_index_seconds)}"
    )


def _savings(plan: Plan) -> Iterator[str]:
    """What our rendering settings save in a recipe's pipeline, by the rate that it states."""
    for render in plan.lines:
        stated = [
            (line.rate, line)
            for line in (render, *render.others)
            if line.rate is not None and line.rate.rate.recipe is not None
        ]
        if render.work.stage != "render" or len(stated) < 2:
            continue
        (own_rate, own), (our_rate, ours) = sorted(stated, key=lambda pair: not pair[0].exact)[:2]
        yield (
            f"{ours.work.label}, instead of {own.work.label.removeprefix('render, ')}, in their "
            f"pipeline: {show_time(own_rate.seconds)} -> {show_time(our_rate.seconds)} an image, "
            f"{show_days(own.gpu_days)} -> {show_days(ours.gpu_days)} GPU-days, "
            f"{1 - ours.seconds / own.seconds:.0%} less; the steps' share shrinks with their "
            "number, text encoder and VAE do not"
        )
        yield (
            "the other lines are of other GPUs, batches and versions: what to expect there, not "
            "what settings alone save"
        )


def _kind_table(plan: Plan) -> Table:
    """GPU-days of each stage on each GPU kind that has a rate for all of the stage."""
    stages: dict[str, dict[str, float]] = {}
    for stage in ("render", "train", "embed"):
        works: list[dict[str, float]] = []  # GPU-days of each piece of work by GPU kind
        for line in plan.lines:
            if line.work.stage == stage:
                days: dict[str, float] = {}
                for other in (line, *line.others):
                    if other.gpu and other.rate and not other.rate.rate.recipe:
                        days.setdefault(other.gpu, other.gpu_days)
                works.append(days)
        shared = [kind for kind in works[0] if all(kind in days for days in works)] if works else []
        if shared:
            stages[stage] = {kind: sum(days[kind] for days in works) for kind in shared}
    kinds = list(dict.fromkeys(kind for days in stages.values() for kind in days))
    table = Table("stage", *map(RIGHT, kinds), box=None, pad_edge=False)
    for stage, days in stages.items():
        table.add_row(stage, *(show_days(days[k]) if k in days else "-" for k in kinds))
    return table


def _disk_table(plan: Plan) -> Table:
    table = Table("files", RIGHT("size"), "how", box=None, pad_edge=False)
    for line in plan.disk:
        table.add_row(line.what, show_bytes(line.bytes), line.how)
    table.add_row("total", show_bytes(plan.disk_bytes), "")
    return table


def _memory_table(plan: Plan) -> Table:
    table = Table("index.factory", RIGHT("loaded"), "", box=None, pad_edge=False)
    chosen = "chosen, its lists on disk" if plan.lists_on_disk else "chosen"
    for factory, size in plan.index_memory.items():
        table.add_row(factory, show_bytes(size), chosen if factory == plan.factory else "")
    return table
