"""One budget of decoded bytes for the whole process, which all threads share.

Whoever decodes a picture, or unpacks a cell of a table, first takes what it will need. Small
pictures are decoded side by side, and large ones one after another.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

BUDGET_BYTES = 400 * 10**6  # decoded at the same time in a process; also the most for one picture
FILE_BYTES = 256 << 20  # of picture files in memory at the same time


class ByteBudget:
    """Hands out bytes in the order of asking. Any thread may use it."""

    def __init__(self, total: int = BUDGET_BYTES):
        self.total = total
        self.used = 0
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Take `count` bytes for the block, and wait until they are free.

        More than the total is given to one holder alone. A block must not ask again: two of them
        would wait for each other.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._may_go(ticket, count))
                self.used += count
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.used -= count
                self._changed.notify_all()

    def _may_go(self, ticket: object, count: int) -> bool:
        first = self._waiting[0] is ticket
        return first and (not self.used or self.used + count <= self.total)


DECODED = ByteBudget()
# Picture files that are read and not yet decoded. Who holds some of these may ask DECODED, and
# nobody asks in the other order.
FILES = ByteBudget(FILE_BYTES)
