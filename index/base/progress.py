"""An iterable -> the same items, with progress shown on the side."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Shows the progress of an iterable; the caller chooses how."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items`; an earlier run finished `done` of `total`."""

    def note(self, message: str) -> None:
        """Show one line."""

    def detail(self, text: str) -> None:
        """Show `text` beside the current bar."""


class Silent:
    """Shows nothing: the default of every library function."""

    def track(self, items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield `items`."""
        yield from items

    def note(self, message: str) -> None:
        """Show nothing."""

    def detail(self, text: str) -> None:
        """Show nothing."""


SILENT = Silent()
