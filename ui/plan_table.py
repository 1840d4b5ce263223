"""A plan -> a page on the terminal: time, money, disk, memory, and where each rate comes from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from unprompt.build.choose_rate import UNSTATED
from unprompt.build.plan import Plan, PlanLine, Work
from unprompt.ui.figures import show_bytes, show_count, show_days, show_money, show_time

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
    console.print(_times(plan, sources))
    for line in (*_totals(plan), *savings(plan)):
        console.print(line, markup=False)
    console.print(_by_kind(plan))
    console.print(_disk(plan))
    console.print(_memory(plan))
    for text, number in sources.numbers.items():
        console.print(f"[{number}] {text}", markup=False)
    for note in request.notes:
        console.print(f"note: {note}", markup=False)
    for label in plan.missing:
        console.print(f"missing: no rate for {label!r}; {_mend(plan, label)}", markup=False)


def _times(plan: Plan, sources: _Sources) -> Table:
    table = Table(title="Time", title_justify="left", box=None, pad_edge=False)
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
        _device(line, plan),
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
    yield f"all of it {on}: {show_time(plan.wall_seconds)}, one stage after the other"
    yield (
        f"first index, of {first} shards ({show_count(first * request.images_per_shard)} images), "
        f"{on}: {show_time(plan.first_index_seconds)}"
    )


def savings(plan: Plan) -> Iterator[str]:
    """What our rendering settings save against a recipe's own, like with like first."""
    for work in plan.works:
        theirs = _of_recipe(work, plan.request.recipe)
        if work.counted.stage != "render" or len(theirs) < 2:
            continue
        own, ours = theirs[0], theirs[1]
        if own.choice is None or ours.choice is None:
            continue
        once = "the steps' share shrinks with their number, text encoder and VAE do not"
        yield (
            f"{ours.label}, instead of {own.label.removeprefix('render, ')}, in their pipeline: "
            f"{show_time(own.choice.seconds)} -> {show_time(ours.choice.seconds)} an image, "
            f"{show_days(own.gpu_days)} -> {show_days(ours.gpu_days)} GPU-days, "
            f"{1 - ours.seconds / own.seconds:.0%} less; {once}"
        )
        yield (
            "the other lines are of other GPUs, batches and versions: what to expect there, not "
            "what settings alone save"
        )


def _of_recipe(work: Work, recipe: str | None) -> list[PlanLine]:
    """The lines by the recipe's own rate, its own settings first."""
    lines = [
        line
        for line in (work.counted, *work.others)
        if recipe is not None and line.choice is not None and line.choice.rate.recipe == recipe
    ]
    return sorted(lines, key=lambda line: not (line.choice and line.choice.exact))


def _by_kind(plan: Plan) -> Table:
    """GPU-days of each stage on every kind of GPU that there are rates of."""
    title = "\nGPU-days by kind of GPU, where there is a rate for all of a stage"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    stages = days_by_kind(plan)
    kinds = list(dict.fromkeys(kind for days in stages.values() for kind in days))
    table.add_column("stage")
    for kind in kinds:
        table.add_column(kind, justify="right", no_wrap=True)
    for stage, days in stages.items():
        table.add_row(stage, *(show_days(days[k]) if k in days else "-" for k in kinds))
    return table


def days_by_kind(plan: Plan) -> dict[str, dict[str, float]]:
    """GPU-days by stage and kind of GPU; a kind without a rate for all of a stage is left out."""
    found: dict[str, dict[str, float]] = {}
    for stage in ("render", "train", "embed"):
        works = [work for work in plan.works if work.counted.stage == stage]
        best: list[dict[str, float]] = []
        for work in works:
            days: dict[str, float] = {}
            for line in (work.counted, *work.others):
                if line.gpu and not (line.choice and line.choice.rate.recipe):
                    days.setdefault(line.gpu, line.gpu_days)
            best.append(days)
        if best:
            shared = set(best[0]).intersection(*best[1:])
            found[stage] = {k: sum(days[k] for days in best) for k in best[0] if k in shared}
    return {stage: days for stage, days in found.items() if days}


def _disk(plan: Plan) -> Table:
    table = Table(title="\nDisk", title_justify="left", box=None, pad_edge=False)
    table.add_column("files")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("how")
    for line in plan.disk:
        table.add_row(line.what, show_bytes(line.bytes), line.how)
    table.add_row("total", show_bytes(plan.disk_bytes), "")
    return table


def _memory(plan: Plan) -> Table:
    title = f"\nMemory of an index of {show_count(plan.request.rows)} rows of {plan.request.dim}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("index.factory")
    table.add_column("loaded", justify="right", no_wrap=True)
    table.add_column("")
    for place, (factory, size) in enumerate(plan.index_memory):
        table.add_row(factory, show_bytes(size), "chosen" if place == 0 else "")
    return table


def _mend(plan: Plan, label: str) -> str:
    stage = next(w.counted.stage for w in plan.works if w.counted.label == label)
    part = {"corpus": "prompts", "index": "search"}.get(stage, stage)
    return f"measure it: unprompt bench {part} --config {plan.request.name}"
