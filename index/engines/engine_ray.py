"""Work and numbered items -> outcomes, from Ray Data actors on one machine or a cluster.

An actor loads the work once. Ray replaces an actor that dies, on any node with room, and starts its
item again. Every node needs unprompt and the same folders.
"""

import math
import os
import pickle
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.engines.ray_library import connected, load_ray, silence
from unprompt.index.engines.work import TRIES, Outcome, Work, compute, worker_died


@dataclass(frozen=True)
class RayDemand:
    """The number of actors, what each needs, and the address of the cluster."""

    workers: int | None
    most_workers: int | None
    cpus: float
    gpus: float
    address: str | None


def work_on_ray(
    work: Work[Any, Any], items: Mapping[int, Any], demand: RayDemand
) -> Iterator[Outcome]:
    """Compute the items in Ray actors; outcomes come in any order."""
    if not items:
        return
    with connected(demand.address) as ray:
        rows = [{"number": n, "item": pickle.dumps(item)} for n, item in items.items()]
        found = ray.data.from_items(rows, override_num_blocks=len(rows))
        silence(found.context)
        starts = _start_counter(ray)
        mapped = found.map_batches(
            _Actor,
            fn_constructor_args=(pickle.dumps(work), demand, os.getcwd(), starts),
            batch_size=1,
            batch_format="numpy",
            compute=_pool(ray, demand, len(rows)),
            num_cpus=demand.cpus,
            num_gpus=demand.gpus or None,
        )
        outcomes = iter(mapped.iter_rows())
        while (row := _next(ray, outcomes)) is not None:
            yield pickle.loads(row["outcome"])


class _Actor:
    """The callable that a Ray actor keeps loaded; it takes batches of one row."""

    def __init__(self, payload: bytes, demand: RayDemand, folder: str, starts: Any):
        self._payload = payload
        self._demand = demand
        self._folder = folder  # the working directory
        self._starts = starts

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        ray = load_ray(self._demand.address)
        number = int(batch["number"][0])
        if ray.get(self._starts.count.remote(number)) > TRIES:
            outcome = worker_died(number)
        else:
            outcome = compute(lambda: self._function, number, batch["item"][0])
        return {"number": [number], "outcome": [pickle.dumps(outcome)]}

    @cached_property
    def _function(self) -> Any:
        if not Path(self._folder).is_dir():
            raise ConfigError(
                f"a Ray node has no folder {self._folder}; every node must see the same files, "
                "for instance on a shared disk"
            )
        os.chdir(self._folder)
        if not self._demand.gpus:  # Ray hides no GPUs from an actor that requests none
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        function = pickle.loads(self._payload).load(max(1, int(self._demand.cpus)))
        return lambda item: function(pickle.loads(item))


class _StartCounter:
    """Counts the starts of each item: Ray itself would restart one that kills actors for ever."""

    def __init__(self) -> None:
        self._counts = Counter[int]()

    def count(self, number: int) -> int:
        """Number of starts of item `number`, this one included."""
        self._counts[number] += 1
        return self._counts[number]


def _start_counter(ray: Any) -> Any:
    """A `_StartCounter` on the node of the driver, so that it lives as long as the driver."""
    here = ray.get_runtime_context().get_node_id()
    place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=True)
    return ray.remote(num_cpus=0, scheduling_strategy=place)(_StartCounter).remote()


def _pool(ray: Any, demand: RayDemand, items: int) -> Any:
    """A pool of the requested size, or one that grows and shrinks with the room in the cluster."""
    room = _room(ray, demand)
    if room < 1 and demand.address is None:
        raise ConfigError(
            f"a worker needs {demand.cpus:g} CPUs and {demand.gpus:g} GPUs, Ray has "
            f"{_resources(ray)}; lower --cpus-per-worker or --gpus-per-worker"
        )
    in_flight = {"max_tasks_in_flight_per_actor": 1}  # a killed actor loses one shard
    if demand.workers is not None and demand.most_workers is None:
        return ray.data.ActorPoolStrategy(size=min(demand.workers, items), **in_flight)
    fewest = min(demand.workers or 1, items)
    most = min(demand.most_workers or items, items)
    first = max(fewest, min(most, room))
    return ray.data.ActorPoolStrategy(
        min_size=fewest, max_size=most, initial_size=first, **in_flight
    )


def _room(ray: Any, demand: RayDemand) -> int:
    has = ray.cluster_resources()
    wanted = {"CPU": demand.cpus, "GPU": demand.gpus}
    return min(math.floor(has.get(name, 0) / need) for name, need in wanted.items() if need)


def _resources(ray: Any) -> str:
    has = ray.cluster_resources()
    return ", ".join(f"{has.get(name, 0):g} {name}" for name in ("CPU", "GPU"))


def _next(ray: Any, rows: Iterator[Any]) -> Any:
    """The next row, None at the end; output of Ray goes to stderr."""
    try:
        with redirect_stdout(sys.stderr):
            return next(rows, None)
    except ray.exceptions.RayError as error:
        raise UnpromptError(
            f"Ray stopped the work: {error}; finished shards are kept, the same command continues"
        ) from error
