"""Work and its numbered items -> (number, result) as they come, from the engine that was chosen.

An engine only hands out numbers: it never changes what is written. `local` works in this process or
in several of this machine, `ray` on a cluster; `share` of `shares` is one task of a job array.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Literal, TypeVar

from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.machine import own_cores
from unprompt.index.base.settings import STRICT
from unprompt.index.engines.engine_local import Seat, work_here, work_in_processes
from unprompt.index.engines.work import Outcome, Work

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_FAULTS = 10  # failed shards after which the others are not tried any more


@dataclass(frozen=True, config=STRICT)
class EngineConfig:
    """Where shards are worked on; None leaves a choice to the stage and the machine."""

    name: Literal["local", "ray"] = "local"
    workers: int | None = None  # processes or actors; the fewest, where `most_workers` is given
    most_workers: int | None = None  # Ray adds actors up to so many
    cpus: float | None = None  # cores of one worker
    gpus: float | None = None  # GPUs of one worker; half a one is two workers on a GPU
    address: str | None = None  # of a Ray cluster; none starts Ray on this machine
    share: int = 0  # do the shards with number % shares == share
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
                f"a worker needs cpus > 0 and gpus >= 0, got {self.cpus} and {self.gpus}"
            )
        if not 0 <= self.share < self.shares:
            raise ConfigError(
                f"--shard i/n takes 0 <= i < n, got {self.share}/{self.shares}; a SLURM array "
                "counts from 0 with `--array=0-7`"
            )

    def own(self, numbers: Iterable[int]) -> list[int]:
        """The numbers that fall to this process."""
        return [number for number in numbers if number % self.shares == self.share]


LOCAL = EngineConfig()


@dataclass(frozen=True, config=STRICT)
class Demand:
    """What a stage makes use of where the user leaves it open."""

    processes: int = 1
    devices: int = 0  # GPUs here that the stage would run on: one process each


ONE_PROCESS = Demand()


def map_shards(
    work: Work[Item, Result],
    items: Mapping[int, Item],
    engine: EngineConfig,
    demand: Demand = ONE_PROCESS,
) -> Iterator[tuple[int, Result]]:
    """Yield (number, result) of every item, in any order.

    A shard that fails stops no other; then the first fault is raised, with its number. A worker
    that is killed is replaced and its shard begun anew. Raises MissingDependencyError without Ray.
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


def plan_seats(engine: EngineConfig, demand: Demand, items: int) -> list[Seat]:
    """One seat a local process: the GPUs it sees and the threads it may use."""
    per_seat = 1.0 if engine.gpus is None else engine.gpus
    devices: list[tuple[int, ...] | None] = [None]
    if engine.gpus == 0:
        devices = [()]
    elif demand.devices and per_seat >= 1:
        whole = int(per_seat)
        starts = range(0, demand.devices - whole + 1, whole)
        devices = [tuple(range(start, start + whole)) for start in starts]
        if not devices:
            raise ConfigError(f"a worker is to have {whole} GPUs, but there are {demand.devices}")
    elif demand.devices:
        devices = [(n,) for n in range(demand.devices) for _ in range(int(1 / per_seat))]
    fitting = len(devices) if devices[0] else demand.processes
    count = max(1, min(engine.workers or fitting, items))
    if count == 1 and engine.gpus is None:  # this process itself, which sees every GPU
        return [Seat(None, None if engine.cpus is None else max(1, int(engine.cpus)))]
    threads = max(1, int(engine.cpus or own_cores() / count))
    return [Seat(devices[place % len(devices)], threads) for place in range(count)]


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
    seats = plan_seats(engine, demand, len(items))
    if _is_here(seats):
        yield from work_here(work, items, seats[0].threads)
    else:
        yield from work_in_processes(work, items, seats)


def _is_here(seats: Sequence[Seat]) -> bool:
    return len(seats) == 1 and seats[0].devices is None


def _raise(faults: list[Outcome]) -> None:
    """The first fault as its own kind of error; a fault that is no user's keeps its traceback."""
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
