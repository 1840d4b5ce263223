"""Work and numbered shards -> (number, result) in any order, computed by the chosen engine.

The engine `local` runs shards in this process or in several on this machine; `ray` runs them on a
cluster. With `share` and `shares` this process is one task of a job array. The files that a shard
writes are the same for every engine.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal, TypeVar

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.settings import STRICT
from unprompt.index.engines.engine_local import WorkerSlot, work_here, work_in_processes
from unprompt.index.engines.work import Outcome, Work

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_FAULTS = 10  # failed shards after which no other is started


@dataclass(frozen=True, config=STRICT)
class EngineConfig:
    """Where shards are computed; None leaves a choice to the stage and the machine."""

    name: Literal["local", "ray"] = "local"
    workers: int | None = None  # processes or actors; the minimum, where `most_workers` is given
    most_workers: int | None = None  # maximum to which Ray adds actors
    cpus: float | None = None  # cores per worker
    gpus: float | None = None  # GPUs per worker; 0.5 puts two workers on one GPU
    address: str | None = None  # of a Ray cluster; None starts Ray on this machine
    share: int = 0  # this process computes the shards with number % shares == share
    shares: int = 1

    def __post_init__(self) -> None:
        if self.name == "local" and (self.address is not None or self.most_workers is not None):
            raise ConfigError("an address and a range of workers need `--engine ray`")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers must be >= 1, got {self.workers}")
        if self.most_workers is not None and self.most_workers < (self.workers or 1):
            raise ConfigError(f"--workers {self.workers}:{self.most_workers} ends before it begins")
        if (self.cpus or 0.0) < 0 or (self.gpus or 0.0) < 0 or self.cpus == 0:
            raise ConfigError(
                f"--cpus-per-worker must be > 0 and --gpus-per-worker >= 0, got {self.cpus} and "
                f"{self.gpus}"
            )
        if not 0 <= self.share < self.shares:
            raise ConfigError(
                f"--shard i/n takes 0 <= i < n, got {self.share}/{self.shares}; a SLURM array "
                "counts from 0 with `--array=0-7`"
            )

    @property
    def share_name(self) -> str | None:
        """The name of this process' share, such as `3/8`; None where it has all of the work."""
        return f"{self.share}/{self.shares}" if self.shares > 1 else None

    def own(self, numbers: Iterable[int]) -> list[int]:
        """The shard numbers of this process' share."""
        return [number for number in numbers if number % self.shares == self.share]


LOCAL = EngineConfig()


@dataclass(frozen=True, config=STRICT)
class Demand:
    """The workers that a stage can use where the user does not choose."""

    processes: int = 1
    devices: int = 0  # GPUs of this machine that it can use, one process each


ONE_PROCESS = Demand()


def map_shards(
    work: Work[Item, Result],
    items: Mapping[int, Item],
    engine: EngineConfig,
    demand: Demand = ONE_PROCESS,
) -> Iterator[tuple[int, Result]]:
    """Yield (number, result) of every item, in any order.

    A shard that fails does not stop the others; at the end the first error is raised, with the
    number of its shard. A worker that is killed is replaced, and its shard starts again. Raises
    MissingDependencyError where the engine is `ray` and Ray is not installed.
    """
    faults: list[Outcome] = []
    with closing(_outcomes(work, items, engine, demand)) as outcomes:
        for outcome in outcomes:
            if outcome.fault is None:
                yield outcome.number, outcome.result
                continue
            faults.append(outcome)
            if outcome.in_loading or len(faults) >= MOST_FAULTS:
                break
    if faults:
        _raise(faults)


def plan_slots(engine: EngineConfig, demand: Demand, items: int) -> list[WorkerSlot]:
    """One slot per local process: the GPUs that it sees and its number of threads."""
    per_slot = 1.0 if engine.gpus is None else engine.gpus
    devices: list[tuple[int, ...] | None] = [None]
    if engine.gpus == 0:
        devices = [()]
    elif demand.devices and per_slot >= 1:
        whole = int(per_slot)
        starts = range(0, demand.devices - whole + 1, whole)
        devices = [tuple(range(start, start + whole)) for start in starts]
        if not devices:
            raise ConfigError(
                f"--gpus-per-worker {whole} needs that many GPUs, this machine has {demand.devices}"
            )
    elif demand.devices:
        devices = [(n,) for n in range(demand.devices) for _ in range(int(1 / per_slot))]
    fitting = len(devices) if devices[0] else demand.processes
    count = max(1, min(engine.workers or fitting, items))
    if count == 1 and engine.gpus is None:  # this process, which sees every GPU
        return [WorkerSlot(None, None if engine.cpus is None else max(1, int(engine.cpus)))]
    threads = max(1, int(engine.cpus or own_cores() / count))
    return [WorkerSlot(devices[place % len(devices)], threads) for place in range(count)]


def _outcomes(
    work: Work[Item, Result], items: Mapping[int, Item], engine: EngineConfig, demand: Demand
) -> Generator[Outcome, None, None]:
    if engine.name == "ray":
        from unprompt.index.engines.engine_ray import RayDemand, work_on_ray

        cpus = 1.0 if engine.cpus is None else engine.cpus
        gpus = float(demand.devices > 0) if engine.gpus is None else engine.gpus
        actors = RayDemand(engine.workers, engine.most_workers, cpus, gpus, engine.address)
        yield from work_on_ray(work, items, actors)
        return
    slots = plan_slots(engine, demand, len(items))
    if _is_here(slots):
        yield from work_here(work, items, slots[0].threads)
    else:
        yield from work_in_processes(work, items, slots)


def _is_here(slots: Sequence[WorkerSlot]) -> bool:
    return len(slots) == 1 and slots[0].devices is None


def _raise(faults: list[Outcome]) -> None:
    """Raise the first error as its own class; an unexpected error keeps its traceback."""
    first = min(faults, key=lambda outcome: outcome.number)
    error: Any = first.fault
    if first.in_loading:
        raise error
    others = f" ({len(faults)} shards failed, this is the first)" if len(faults) > 1 else ""
    message = f"shard {first.number:05d}: {error}{others}; the other shards are kept"
    if isinstance(error, UnpromptError):
        raise type(error)(message) from error
    error.add_note(message)
    raise error
