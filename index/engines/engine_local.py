"""Work and its items -> outcomes, in this process or in several that end with it."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from unprompt.index.engines.work import TRIES, Outcome, Work, died, do

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Seat(NamedTuple):
    """What one process may use."""

    devices: tuple[int, ...] | None  # GPUs, counted among those that this process sees
    threads: int | None


def work_here(
    work: Work[Any, Any], items: Mapping[int, Any], threads: int | None
) -> Iterator[Outcome]:
    """Do all items in this process, one after another."""
    load = cache(partial(work.load, threads))
    for number, item in items.items():
        yield do(load, number, item)


def work_in_processes(
    work: Work[Any, Any], items: Mapping[int, Any], seats: list[Seat]
) -> Iterator[Outcome]:
    """Do the items in one process a seat.

    If a process is killed, what is missing is begun anew in new processes; an item that was in
    work twice when that happened is tried once more alone, which tells the guilty.
    """
    payload = pickle.dumps(work)
    left, deaths = dict(items), Counter[int]()
    while left:
        alone = next((number for number in left if deaths[number] >= TRIES - 1), None)
        part = dict(left) if alone is None else {alone: left[alone]}
        for outcome in _one_pool(payload, part, seats[: len(part)], deaths):
            del left[outcome.number]
            yield outcome
        if alone is not None and alone in left:
            del left[alone]
            yield died(alone)


def _one_pool(
    payload: bytes, items: Mapping[int, Any], seats: list[Seat], deaths: Counter[int]
) -> Iterator[Outcome]:
    """Outcomes until all are there or a process dies; then `deaths` counts what was in work."""
    context = multiprocessing.get_context("spawn")
    free = context.SimpleQueue()
    for seat in seats:
        free.put(seat)
    pool = ProcessPoolExecutor(len(seats), context, initializer=_sit_down, initargs=(free,))
    waiting = iter(items.items())
    running: dict[Future[Outcome], int] = {}
    try:
        while True:
            # no more in work than there are processes: a death is then the fault of one of these
            for number, item in islice(waiting, len(seats) - len(running)):
                call = pool.submit(_do, payload, seats[0].threads, number, item)
                running[call] = number
            if not running:
                return
            done = wait(running, return_when=FIRST_COMPLETED).done
            broken = {f for f in done if isinstance(f.exception(), BrokenProcessPool)}
            for future in done - broken:
                del running[future]
                yield future.result()
            for future in broken:
                future.result()
    except BrokenProcessPool:
        deaths.update(running.values())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _do(payload: bytes, threads: int | None, number: int, item: Any) -> Outcome:
    return do(partial(_load, payload, threads), number, item)


@lru_cache(maxsize=1)
def _load(payload: bytes, threads: int | None) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = pickle.loads(payload).load(threads)
    return function


def _sit_down(free: Any) -> None:
    """Take a seat before any library looks for GPUs or cores; end when the parent does."""
    seat: Seat = free.get()
    os.environ["OMP_NUM_THREADS"] = str(seat.threads or 1)
    if seat.devices is not None:
        seen = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
        names = [seen[n] if n < len(seen) else str(n) for n in seat.devices]
        os.environ[VISIBLE] = ",".join(names)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once and without a word
    # a killed parent cannot tell its workers to stop, so each of them watches for its end
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
