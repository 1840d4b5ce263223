"""Work and numbered items -> outcomes, from this process or from several child processes."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from unprompt.index.base.processes.stopping import end_with_parent
from unprompt.index.engines.work import TRIES, Outcome, Work, compute, worker_died

WAIT_S = 0.5
VISIBLE = "CUDA_VISIBLE_DEVICES"


class WorkerSlot(NamedTuple):
    """What one worker process can use."""

    devices: tuple[int, ...] | None  # indices among the GPUs that this process sees; None: all
    threads: int | None  # None leaves the number to the libraries


def work_here(
    work: Work[Any, Any], items: Mapping[int, Any], threads: int | None
) -> Iterator[Outcome]:
    """Compute all items in this process, one after another."""
    load = cache(partial(work.load, threads))
    for number, item in items.items():
        yield compute(load, number, item)


def work_in_processes(
    work: Work[Any, Any], items: Mapping[int, Any], slots: list[WorkerSlot]
) -> Iterator[Outcome]:
    """Compute the items in one process per slot.

    If a process is killed, all unfinished items start again in new processes. An item that was
    running at two such deaths runs alone the next time, which identifies the item that kills its
    worker.
    """
    payload = pickle.dumps(work)
    left, deaths = dict(items), Counter[int]()
    while left:
        alone = next((number for number in left if deaths[number] >= TRIES - 1), None)
        part = dict(left) if alone is None else {alone: left[alone]}
        for outcome in _one_pool(payload, part, slots[: len(part)], deaths):
            del left[outcome.number]
            yield outcome
        if alone is not None and alone in left:
            del left[alone]
            yield worker_died(alone)


def _one_pool(
    payload: bytes, items: Mapping[int, Any], slots: list[WorkerSlot], deaths: Counter[int]
) -> Iterator[Outcome]:
    """Yield outcomes until all are done or a process dies; `deaths` counts the running items."""
    context = multiprocessing.get_context("spawn")
    free = context.SimpleQueue()
    for slot in slots:
        free.put(slot)
    pool = ProcessPoolExecutor(len(slots), context, initializer=_prepare_worker, initargs=(free,))
    waiting = iter(items.items())
    running: dict[Future[Outcome], int] = {}
    try:
        while True:
            # at most one running item per process: one of them has caused a death
            for number, item in islice(waiting, len(slots) - len(running)):
                with _without_ctrl_c():  # a worker that starts inherits it
                    call = pool.submit(_compute, payload, slots[0].threads, number, item)
                running[call] = number
            if not running:
                return
            # a wait without a limit is not interrupted by Ctrl-C once polars is imported
            done = wait(running, WAIT_S, FIRST_COMPLETED).done
            broken = {f for f in done if isinstance(f.exception(), BrokenProcessPool)}
            for future in done - broken:
                del running[future]
                yield future.result()
            for future in broken:
                future.result()
    except BrokenProcessPool:
        deaths.update(running.values())
    except BaseException:  # nobody waits for the other items: Ctrl-C, or the caller ends
        _kill(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _kill(pool: ProcessPoolExecutor) -> None:
    """End the workers of a pool at once; their files are whole or absent."""
    processes: dict[int, Any] = getattr(pool, "_processes", None) or {}
    for process in list(processes.values()):
        process.kill()


def _compute(payload: bytes, threads: int | None, number: int, item: Any) -> Outcome:
    return compute(partial(_load, payload, threads), number, item)


@lru_cache(maxsize=1)
def _load(payload: bytes, threads: int | None) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = pickle.loads(payload).load(threads)
    return function


def _prepare_worker(free: Any) -> None:
    """Set up a worker before any library looks for GPUs or cores; it ends when its parent does."""
    slot: WorkerSlot = free.get()
    os.environ["OMP_NUM_THREADS"] = str(slot.threads or 1)
    if slot.devices is not None:
        seen = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
        names = [seen[n] if n < len(seen) else str(n) for n in slot.devices]
        os.environ[VISIBLE] = ",".join(names)
    # Ctrl-C reaches every process of the terminal; a worker leaves it to its parent, which kills it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with_parent(parent.pid)
    # where the system cannot do it: each worker waits for the end of its parent
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Hold Ctrl-C back in this thread while the block runs; it arrives afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
