"""How long work reports itself: an iterable in, the same items out, with progress on the side."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps an iterable; what is shown is the caller's choice."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items`; `done` of `total` were finished by an earlier run."""

    def note(self, message: str) -> None:
        """Say one thing worth a line."""

    def detail(self, text: str) -> None:
        """Figures to show beside the bar of what is tracked now."""


class Silent:
    """No progress at all, the default of every library function."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items` and say nothing."""
        yield from items

    def note(self, message: str) -> None:
        """Say nothing."""

    def detail(self, text: str) -> None:
        """Say nothing."""


SILENT = Silent()
