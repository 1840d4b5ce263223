"""`unprompt plan`: a config's or recipe's name and options -> what it costs, as a page or JSON."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unprompt.build.planning.choose_rate import check_gpu
from unprompt.build.planning.plan import Plan, PlanLine, make_plan
from unprompt.build.planning.rates import RatesFile, read_rates, reference
from unprompt.build.planning.request import PlanOptions, PlanRequest
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.machine import own_cores
from unprompt.index.runtime.cache import cache_folder
from unprompt.ui.planning.request import plan_request

RATES = "rates.json"


def rates_path(asked: Path | None) -> Path:
    """Where the rates of one's own device are kept."""
    return asked or cache_folder() / RATES


def run_plan(
    name: str,
    settings: Sequence[str],
    prompts: int | None,
    options: PlanOptions,
    rates: Path | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Print what a corpus costs; raises ConfigError for what cannot be planned."""
    plan = plan_of(name, settings, prompts, options, _own_rates(rates))
    if plot is not None:
        from unprompt.ui.planning.plot import draw_plan

        draw_plan(plan, plot)
    if as_json:
        print(json.dumps(plan_json(plan), indent=2))
        return
    from unprompt.ui.planning.table import print_plan

    print_plan(plan)


def plan_of(
    name: str,
    settings: Sequence[str],
    prompts: int | None,
    options: PlanOptions,
    own: RatesFile | None,
) -> Plan:
    """The plan of a config or recipe by measured rates, where there are some, and published ones.

    `options.cores` of 0 stands for the cores of the machine that was measured, or of this one.
    """
    if prompts is not None and prompts < 1:
        raise ConfigError(f"--prompts must be >= 1, got {prompts}")
    known = reference()
    measured = own.rates if own else ()
    rates = (*measured, *known.rates)
    pictures = (*(own.pictures if own else ()), *known.pictures)
    gpu = check_gpu(options.gpu, rates)
    cores = options.cores or (own.cores if own else own_cores())
    chosen = replace(options, gpu=gpu, cores=cores)
    request = _in_order(plan_request(name, settings, prompts, rates, known), gpu)
    return make_plan(request, chosen, rates, pictures, known)


def _in_order(request: PlanRequest, gpu: str | None) -> PlanRequest:
    """A recipe's own rate is of a GPU not stated: where one is asked for, our settings count."""
    if gpu is None or len(request.renders) < 2:
        return request
    return replace(request, renders=request.renders[::-1])


def _own_rates(asked: Path | None) -> RatesFile | None:
    path = rates_path(asked)
    return read_rates(path) if asked is not None or path.is_file() else None


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan with all its figures, in seconds, bytes and GPU-days."""
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
            {**_line(work.counted), "others": [_line(line) for line in work.others]}
            for work in plan.works
        ],
        "gpu_days": plan.gpu_days,
        "gpus": options.gpus,
        "cores": options.cores,
        "price_per_gpu_hour": options.price,
        "cost": plan.cost,
        "wall_seconds": plan.wall_seconds,
        "first_index": {
            "shards": min(options.first, request.shards),
            "seconds": plan.first_index_seconds,
        },
        "disk": [{"what": line.what, "bytes": line.bytes, "how": line.how} for line in plan.disk],
        "disk_bytes": plan.disk_bytes,
        "index": {
            "factory": plan.factory,
            "memory_bytes": dict(plan.index_memory),
            "lists_on_disk": plan.lists_on_disk,
        },
        "notes": list(request.notes),
        "missing": list(plan.missing),
    }


def _line(line: PlanLine) -> dict[str, Any]:
    found: dict[str, Any] = {"stage": line.stage, "label": line.label, line.unit: line.items}
    if line.choice is None:
        return {**found, "rate": None}
    rate = line.choice.rate
    return {
        **found,
        "seconds_each": line.choice.seconds,
        "seconds": line.seconds,
        "gpu_days": line.gpu_days,
        "rate": {
            "device": rate.device,
            "gpu": rate.gpu,
            "cores": rate.cores,
            "arithmetic": line.choice.how,
            "exact": line.choice.exact,
            "source": rate.source,
            "date": rate.date,
            "measured": rate.measured,
        },
    }
