"""Rows that count <-> their places among all that are stored, by the sorted places of the removed.

A place is a row's number in all segments end to end, which is its id in FAISS; a row is its number
among those that count.
"""

import numpy as np


class LiveRows:
    """Nothing is kept but the removed places, however many rows there are."""

    def __init__(self, stored: int, removed: np.ndarray | None = None):
        self.stored = stored
        self.removed = np.zeros(0, dtype=np.int64) if removed is None else removed
        # rows that stand before each removed place
        self._before = self.removed - np.arange(len(self.removed))

    def __len__(self) -> int:
        return self.stored - len(self.removed)

    @property
    def whole(self) -> bool:
        """Whether no row was removed: then a row is its place."""
        return len(self.removed) == 0

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Rows (...) -> their places (...); -1 stays -1."""
        if self.whole:
            return rows
        places = rows + np.searchsorted(self._before, rows, side="right")
        return np.where(rows < 0, rows, places)

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Places (...) -> their rows (...); -1 where a row was removed or there is none."""
        if self.whole:
            return places
        earlier = np.searchsorted(self.removed, places)
        there = self.removed[np.minimum(earlier, len(self.removed) - 1)] == places
        return np.where(there | (places < 0), -1, places - earlier)

    def without(self, leaving: np.ndarray) -> np.ndarray:
        """Sorted places of all removed rows once those marked in `leaving` (n,) are, too."""
        return np.union1d(self.removed, self.places(np.flatnonzero(leaving)))
