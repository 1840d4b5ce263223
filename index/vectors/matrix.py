"""Matrices (n, d) that are read only where they are used: .npy files, joined, or chosen rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.safe.arrays import FLOATS, map_array
from unprompt.index.vectors.live_rows import LiveRows

BLOCK = 65_536  # rows in memory at a time


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
        for part, here, numbers in split_by_part(ids, self._ends):
            found[here] = self._parts[part][numbers]
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


def row_blocks(matrix: Matrix) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the rows (m, d) of each block, which are read one at a time."""
    for start in range(0, len(matrix), BLOCK):
        yield start, matrix[start : start + BLOCK]


def write_matrix(path: Path, matrix: Matrix, dtype: Any) -> None:
    """Write a matrix as an .npy file, block by block; raises UnpromptError on a full disk."""
    kind = np.dtype(dtype)
    header = {
        "descr": np.lib.format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": tuple(matrix.shape),
    }
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for _, block in row_blocks(matrix):
            handle.write(np.ascontiguousarray(block, dtype=kind).data)


def open_matrix(path: Path) -> np.ndarray:
    """Map an .npy file (n, d); raises DamagedFileError where it is not complete."""
    return map_array(path, (2,), (*FLOATS, "|u1"), "Make it again.")


def split_by_part(
    ids: np.ndarray, ends: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Group ids (m,) over parts that end at `ends` (s,), ascending.

    Yields each part that holds some of them, their positions in `ids`, and their row numbers in the
    part. np.unique would import numpy.ma, which slows the first query.
    """
    parts = np.searchsorted(ends, ids, side="right")
    for part in np.flatnonzero(np.bincount(parts)).tolist():
        here = np.flatnonzero(parts == part)
        yield part, here, ids[here] - (ends[part - 1] if part else 0)
