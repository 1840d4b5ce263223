"""Matrices (n, d) <-> .npy files: written atomically in blocks of rows, read by memory map."""

from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.vectors.matrix import Matrix

BLOCK = 65_536  # rows in memory at a time


def write_matrix(path: Path, matrix: Matrix, dtype: Any) -> None:
    """Write a matrix, which may lie on disk itself; raises UnpromptError on a full disk."""
    kind = np.dtype(dtype)
    header = {
        "descr": np.lib.format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": tuple(matrix.shape),
    }
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for start in range(0, len(matrix), BLOCK):
            block = matrix[start : start + BLOCK]
            handle.write(np.ascontiguousarray(block, dtype=kind).data)


def open_matrix(path: Path) -> np.ndarray:
    """Map a matrix; raises OSError or ValueError where it is not a complete .npy file."""
    matrix: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return matrix
