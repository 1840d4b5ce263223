"""Works for the tests of the engines: picklable by name, so that every process finds them."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import PromptError
from unprompt.index.engines.work import Work


@dataclass(frozen=True)
class Square:
    """n -> (n * n, process id, visible GPUs, threads)."""

    fails_at: tuple[int, ...] = ()
    bug_at: tuple[int, ...] = ()
    refuses_to_load: bool = False

    def load(self, threads: int | None) -> Callable[[int], tuple[int, int, str | None, int | None]]:
        if self.refuses_to_load:
            raise PromptError("no such tower")

        def square(item: int) -> tuple[int, int, str | None, int | None]:
            if item in self.fails_at:
                raise PromptError(f"cannot draw {item}")
            if item in self.bug_at:
                return item // 0, 0, None, None
            return item * item, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), threads

        return square


@dataclass(frozen=True)
class Deadly:
    """Another work whose process is killed, as `kill -9` does, when it comes to an item."""

    work: Work[Any, Any]
    marker: Path  # written at each death
    at: int
    times: int  # deaths until the item is let through

    def load(self, threads: int | None) -> Callable[[Any], Any]:
        function = self.work.load(threads)

        def run(item: Any) -> Any:
            number = getattr(item, "shard", item)
            deaths = self.marker.stat().st_size if self.marker.exists() else 0
            if number == self.at and deaths < self.times:
                with self.marker.open("a") as marks:
                    marks.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            return function(item)

        return run


@dataclass(frozen=True)
class Meet:
    """Items of two processes that wait for each other -> the GPUs that each of them sees."""

    folder: Path

    def load(self, threads: int | None) -> Callable[[int], str | None]:
        def meet(item: int) -> str | None:
            (self.folder / str(item)).touch()
            give_up = time.monotonic() + 120
            while len(list(self.folder.iterdir())) < 2 and time.monotonic() < give_up:
                time.sleep(0.01)
            return os.environ.get("CUDA_VISIBLE_DEVICES")

        return meet


@dataclass(frozen=True)
class Sleep:
    """Writes a file named by its process, then does nothing for a minute."""

    folder: str

    def load(self, threads: int | None) -> Callable[[int], None]:
        def sleep(item: int) -> None:
            Path(self.folder, str(os.getpid())).touch()
            time.sleep(60)

        return sleep
