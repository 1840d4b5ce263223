"""`unprompt plan`: the name of a config or recipe, and options -> its cost as a page or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unprompt.build.planning.plan import Plan, PlanLine, PlanOptions, make_plan
from unprompt.build.planning.rates import published_costs, read_rates
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.owner import owned
from unprompt.index.runtime.cache import cache_folder
from unprompt.index.texts.json_text import json_text
from unprompt.ui.planning.plot import draw_plan
from unprompt.ui.planning.request import plan_request
from unprompt.ui.planning.table import print_plan


def rates_path(asked: Path | None) -> Path:
    """The rates file that is asked for, or the default one of this machine."""
    return asked or cache_folder() / "rates.json"


def run_plan(
    name: str,
    settings: Sequence[str],
    prompts: int | None,
    options: PlanOptions,
    rates: Path | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Print the cost of a corpus, by measured rates first and published ones second.

    `options.cores` of 0 stands for the cores of the measured machine, or else of this one. Raises
    ConfigError where the corpus cannot be planned.
    """
    if prompts is not None and prompts < 1:
        raise ConfigError(f"--prompts must be >= 1, got {prompts}")
    costs, cores = published_costs(), own_cores()
    path = rates_path(rates)
    if rates is not None or path.is_file():
        own = read_rates(path)
        cores = own.cores
        costs = replace(
            costs, rates=own.rates + costs.rates, pictures=own.pictures + costs.pictures
        )
    gpu = None if options.gpu is None else costs.find_gpu(options.gpu)
    request = plan_request(name, settings, prompts, costs)
    if gpu is not None:  # a recipe's own rate is of an unstated GPU: count our settings instead
        request = replace(request, renders=request.renders[::-1])
    options = replace(options, gpu=gpu, cores=options.cores or cores)
    plan = make_plan(request, options, costs)
    if plot is not None:
        with owned(plot):
            draw_plan(plan, plot)
    if as_json:
        print(json_text(plan_json(plan), indent=2))
    else:
        print_plan(plan, name)


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON-ready values, in seconds, bytes and GPU-days."""
    request, options = plan.request, plan.options
    return {
        "name": request.name,
        "counts": {
            "prompts": request.prompts,
            "images": request.images,
            "shards": request.shards,
            "index_rows": request.rows,
        },
        "works": [
            {**_line_json(line), "others": [_line_json(other) for other in line.others]}
            for line in plan.lines
        ],
        "gpu_days": plan.gpu_days,
        "gpus": options.gpus,
        "cores": options.cores,
        "price_per_gpu_hour": options.price,
        "cost": plan.cost,
        "wall_seconds": plan.wall_seconds,
        "first_index": {"shards": plan.first_shards, "seconds": plan.first_index_seconds},
        "disk": [asdict(line) for line in plan.disk],
        "disk_bytes": plan.disk_bytes,
        "index": {
            "factory": plan.factory,
            "memory_bytes": plan.index_memory,
            "lists_on_disk": plan.lists_on_disk,
        },
        "notes": list(request.notes),
        "missing": [line.work.label for line in plan.missing],
    }


def _line_json(line: PlanLine) -> dict[str, Any]:
    work, scaled = line.work, line.rate
    found: dict[str, Any] = {"stage": work.stage, "label": work.label, work.unit: work.items}
    if scaled is None:
        return {**found, "rate": None}
    rate = scaled.rate
    return {
        **found,
        "seconds_each": scaled.seconds,
        "seconds": line.seconds,
        "gpu_days": line.gpu_days,
        "rate": {
            "device": rate.device,
            "gpu": rate.gpu,
            "cores": rate.cores,
            "arithmetic": scaled.arithmetic,
            "exact": scaled.exact,
            "source": rate.source,
            "date": rate.date,
            "measured": rate.measured,
        },
    }
