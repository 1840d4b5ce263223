"""A plan -> a page for people: time, money, disk, memory, and the source of each rate."""

from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Column, Table

from unprompt.build.planning.plan import Plan, PlanLine
from unprompt.build.planning.rates import UNSTATED

WIDTH = 118  # where the output is no terminal
COUNTED = ("prompts", "images")  # units of work whose count is shown
RIGHT = partial(Column, justify="right", no_wrap=True)
LEFT = partial(Column, no_wrap=True)
COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
BYTES = ((1e15, " PB"), (1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"))
TIMES = ((86_400 * 365, " years"), (86_400, " days"), (3_600, " h"), (60, " min"), (1, " s"))


def print_plan(plan: Plan, config: str) -> None:
    """Print the page; `config` is the name that the plan was asked for by."""
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
        say("\nGPU-days by GPU kind, where rates for the whole stage are known")
        say(_kind_table(plan))
    say("\nDisk")
    say(_disk_table(plan))
    say(f"\nMemory of an index of {show_count(request.rows)} rows x {request.dim} dimensions")
    say(_memory_table(plan))
    say("\nRates")
    for text, number in sources.items():
        say(f"[{number}] {text}")
    for note in request.notes:
        say(f"note: {note}")
    for line in plan.missing:
        part = {"corpus": "prompts", "index": "search"}.get(line.work.stage, line.work.stage)
        mend = f"measure it: unprompt bench {part} --config {config}"
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
            cost = f", {show_money(plan.cost)} at {price} per GPU-hour, without CPU time"
        yield f"total: {show_days(plan.gpu_days)} GPU-days ({kinds}){cost}"
        gpus = f"{options.gpus} GPU" + ("s" if options.gpus > 1 else "")
        on = f"on {gpus} and {options.cores} CPU cores"
    yield f"whole build {on}: {show_time(plan.wall_seconds)}, one stage after the other"
    yield (
        f"first index, of {plan.first_shards} shards ({show_count(plan.first_images)} images), "
        f"{on}: {show_time(plan.first_index_seconds)}"
    )


def _savings(plan: Plan) -> Iterator[str]:
    """What this project's rendering settings save in a recipe's pipeline, by the recipe's rate."""
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
            f"{ours.work.label}, instead of {own.work.label.removeprefix('render, ')}, in the "
            f"recipe's pipeline: {show_time(own_rate.seconds)} -> {show_time(our_rate.seconds)} "
            f"per image, {show_days(own.gpu_days)} -> {show_days(ours.gpu_days)} GPU-days, "
            f"{1 - ours.seconds / own.seconds:.0%} less; fewer steps save UNet time, not the time "
            "of the text encoder and the VAE"
        )
        yield (
            "the other lines are for other GPUs, batch sizes and versions: they show what to "
            "expect there, not what the settings save"
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
    chosen = "chosen, lists on disk" if plan.lists_on_disk else "chosen"
    for factory, size in plan.index_memory.items():
        table.add_row(factory, show_bytes(size), chosen if factory == plan.factory else "")
    return table


def show_count(value: float) -> str:
    """10600000 -> 10.6M."""
    return _scaled(value, COUNTS) or f"{value:.0f}"


def show_bytes(value: float) -> str:
    """1600000000000 -> 1.60 TB."""
    return _scaled(value, BYTES) or f"{value:.0f} B"


def show_time(seconds: float) -> str:
    """90 -> 1.50 min; 0.0021 -> 2.1 ms."""
    return _scaled(seconds, TIMES) or (f"{1000 * seconds:.3g} ms" if seconds > 0 else "0 s")


def show_days(days: float) -> str:
    """GPU-days: 245.37 -> 245; 1.4649 -> 1.46; 0.0003 -> <0.01."""
    return _three(days) if days >= 0.01 else "<0.01"


def show_money(value: float) -> str:
    """11776.4 -> $11,776; 3.5 -> $3.50."""
    return f"${value:,.0f}" if value >= 100 else f"${value:,.2f}"


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str | None:
    """The value in the largest unit that it reaches, None where it reaches none."""
    return next((f"{_three(value / scale)}{unit}" for scale, unit in units if value >= scale), None)


def _three(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
