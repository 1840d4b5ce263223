"""Matrices (n, d) that are read only where they are used: several joined, or some rows of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unprompt.index.vectors.live_rows import LiveRows


class LazyMatrix:
    """A matrix (n, d) whose rows are read when they are indexed, as those of an array are."""

    ndim = 2
    dtype: np.dtype[Any]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows (...), given by a slice, number or array -> (..., d)."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


class JoinedRows(LazyMatrix):
    """Matrices (n_i, d) as one, without removed rows."""

    def __init__(self, parts: Sequence[np.ndarray], live: LiveRows):
        self._parts = parts
        self._live = live
        self._ends = np.cumsum([len(part) for part in parts])
        self.dtype = parts[0].dtype
        self.shape = (len(live), parts[0].shape[1])

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            wanted = np.arange(*rows.indices(len(self)))
        else:
            given = np.asarray(rows)
            wanted = np.flatnonzero(given) if given.dtype == bool else given
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        ids = self._live.to_ids(wanted).ravel()
        found = np.empty((len(ids), self.shape[1]), self.dtype)
        parts = np.searchsorted(self._ends, ids, side="right")
        for number in occurring(parts):
            here = parts == number
            start = self._ends[number] - len(self._parts[number])
            found[here] = self._parts[number][ids[here] - start]
        return found.reshape(*np.shape(wanted), self.shape[1])


class ChosenRows(LazyMatrix):
    """Rows (m,) of a matrix (n, d) as a matrix (m, d), in their order."""

    def __init__(self, matrix: "Matrix", rows: np.ndarray):
        self._matrix = matrix
        self._rows = rows
        self.dtype = matrix.dtype
        self.shape = (len(rows), matrix.shape[1])

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._matrix[self._rows[rows]]


Matrix = np.ndarray | LazyMatrix


def join_rows(parts: Sequence[np.ndarray], live: LiveRows) -> Matrix:
    """The parts (n_i, d) as one matrix; a single part without removed rows as it is."""
    return parts[0] if len(parts) == 1 and live.complete else JoinedRows(parts, live)


def occurring(numbers: np.ndarray) -> list[int]:
    """The distinct numbers among (n,), ascending.

    np.unique would import numpy.ma, which slows the first query.
    """
    return np.flatnonzero(np.bincount(numbers)).tolist()
