"""Row numbers <-> ids of stored rows, by the sorted ids of the removed rows.

An id is the number of a row in all segments end to end, as FAISS counts it. A row number counts
only the rows that were not removed.
"""

import numpy as np


class LiveRows:
    """The stored rows without removed ones; memory grows only with the removed ones."""

    def __init__(self, stored: int, removed: np.ndarray | None = None):
        """`stored` rows, of which the sorted ids `removed` (r,) int64 no longer count."""
        self.stored = stored
        self.removed = np.zeros(0, dtype=np.int64) if removed is None else removed
        self._rows_before = self.removed - np.arange(len(self.removed))  # each removed id

    def __len__(self) -> int:
        return self.stored - len(self.removed)

    @property
    def complete(self) -> bool:
        """Whether no row was removed: then a row number is its id."""
        return len(self.removed) == 0

    def to_ids(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (...) -> ids (...); -1 stays -1."""
        if self.complete:
            return rows
        ids = rows + np.searchsorted(self._rows_before, rows, side="right")
        return np.where(rows < 0, rows, ids)

    def to_rows(self, ids: np.ndarray) -> np.ndarray:
        """Ids (...) -> row numbers (...); -1 for a removed row, and for id -1."""
        if self.complete:
            return ids
        removed_before = np.searchsorted(self.removed, ids)
        removed = self.removed[np.minimum(removed_before, len(self.removed) - 1)] == ids
        return np.where(removed | (ids < 0), -1, ids - removed_before)

    def removed_with(self, leaving: np.ndarray) -> np.ndarray:
        """The sorted ids of all removed rows, once the rows marked in `leaving` (n,) are too."""
        return np.union1d(self.removed, self.to_ids(np.flatnonzero(leaving)))
