"""Matrices (n, d) that are read as they are touched: several joined, or some rows of one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.index.vectors.live_rows import LiveRows

if TYPE_CHECKING:
    pass


class JoinedRows:
    """Matrices (n_i, d) as one (n, d), of the rows that count; indexed as an array is."""

    ndim = 2

    def __init__(self, parts: Sequence[np.ndarray], live: LiveRows):
        self._parts = parts
        self._live = live
        self._ends = np.cumsum([len(part) for part in parts])
        self.dtype = parts[0].dtype
        self.shape = (len(live), parts[0].shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows (...) of a slice, number or array -> (..., d)."""
        if isinstance(rows, slice):
            wanted = np.arange(*rows.indices(len(self)))
        else:
            asked = np.asarray(rows)
            wanted = np.flatnonzero(asked) if asked.dtype == bool else asked
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        stored = self._live.places(wanted).ravel()
        found = np.empty((len(stored), self.shape[1]), self.dtype)
        parts = np.searchsorted(self._ends, stored, side="right")
        for number in occurring(parts):
            here = parts == number
            start = self._ends[number] - len(self._parts[number])
            found[here] = self._parts[number][stored[here] - start]
        return found.reshape(*np.shape(wanted), self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


class ChosenRows:
    """Rows (m,) of a matrix (n, d) as one (m, d), in their order; read as they are touched."""

    ndim = 2
    dtype: np.dtype[Any]
    shape: tuple[int, int]

    def __init__(self, matrix: "Matrix", rows: np.ndarray):
        self._matrix = matrix
        self._rows = rows
        self.dtype = matrix.dtype
        self.shape = (len(rows), matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows (...) of a slice, number or array -> (..., d)."""
        return self._matrix[self._rows[rows]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


Matrix = np.ndarray | JoinedRows | ChosenRows


def join_rows(parts: Sequence[np.ndarray], live: LiveRows) -> Matrix:
    """The parts as one; a single one as it is."""
    return parts[0] if len(parts) == 1 and live.whole else JoinedRows(parts, live)


def occurring(numbers: np.ndarray) -> list[int]:
    """The numbers that occur (n,), in order; np.unique would load numpy.ma at a query's start."""
    return np.flatnonzero(np.bincount(numbers)).tolist()
