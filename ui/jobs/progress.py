"""An iterable -> the same items, with a rich bar on a terminal or plain lines, both on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from unprompt.index.base.progress import Progress
from unprompt.index.texts.visible import one_line

T = TypeVar("T")
LINE_EVERY_SECONDS = 5.0


class _OnStderr:
    """Notes on stderr, and the detail that a bar or line shows beside its own figures."""

    def __init__(self) -> None:
        self._detail = ""

    def note(self, message: str) -> None:
        """Print one line."""
        print(one_line(message), file=sys.stderr)

    def detail(self, text: str) -> None:
        """Show `text` beside the figures until it changes."""
        self._detail = one_line(text)


class TerminalProgress(_OnStderr):
    """One bar per step, with elapsed and remaining time."""

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
            TextColumn("{task.fields[detail]}"),
        )
        self._detail = ""
        with Bars(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(label, total=total, completed=done, detail="")
            for item in items:
                yield item
                bars.update(task, advance=1, detail=self._detail)
        self._detail = ""


class LineProgress(_OnStderr):
    """A line every few seconds, for logs."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items`; print the count every few seconds and at the end."""
        started = last = time.monotonic()
        count = done
        for item in items:
            yield item
            count += 1
            now = time.monotonic()
            if now - last >= LINE_EVERY_SECONDS or count == total:
                detail = f", {self._detail}" if self._detail else ""
                print(f"{label}: {count}/{total}, {now - started:.0f} s{detail}", file=sys.stderr)
                last = now
        self._detail = ""


def choose_progress() -> Progress:
    """Bars where stderr is a terminal, else lines."""
    return TerminalProgress() if sys.stderr.isatty() else LineProgress()
