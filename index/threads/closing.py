"""Calls of several threads on one object -> its end: later calls fail, those that run finish."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from unprompt.index.base.errors import ClosedError


class OpenUntilClosed:
    """Counts the calls that run on an object. Any thread may call any method."""

    def __init__(self, what: str, remedy: str):
        """`what` is the object and `remedy` the call that opens it again, for the error."""
        self._message = f"{what} is closed, wanted an open one; open it again: {remedy}"
        self._changed = Condition()
        self._running = 0
        self._closed = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """One call; raises ClosedError once the object is closed."""
        with self._changed:
            self._check()
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise ClosedError once the object is closed."""
        with self._changed:
            self._check()

    def close(self) -> None:
        """Refuse later calls, and wait for those that run."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running)

    def _check(self) -> None:
        if self._closed:
            raise ClosedError(self._message)
