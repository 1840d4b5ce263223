"""Progress for people: a rich bar on a terminal, plain lines elsewhere, both on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from unprompt.index.progress import Progress

T = TypeVar("T")
LINE_EVERY_SECONDS = 5.0


class TerminalProgress:
    """A bar a step with rate and remaining time."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items` under a bar that starts at `done` of `total`."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(label, total=total, completed=done)
            for item in items:
                yield item
                bars.advance(task)

    def note(self, message: str) -> None:
        """One line."""
        print(message, file=sys.stderr)


class LineProgress:
    """A line now and then, for logs."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items`; print the count every few seconds and at the end."""
        started = last = time.monotonic()
        count = done
        for item in items:
            yield item
            count += 1
            now = time.monotonic()
            if now - last >= LINE_EVERY_SECONDS or count == total:
                print(f"{label}: {count}/{total}, {now - started:.0f} s", file=sys.stderr)
                last = now

    def note(self, message: str) -> None:
        """One line."""
        print(message, file=sys.stderr)


def choose_progress() -> Progress:
    """Bars where stderr is a terminal, lines otherwise."""
    return TerminalProgress() if sys.stderr.isatty() else LineProgress()
