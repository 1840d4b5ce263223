"""Vectors (n, d) in several .npy files or in an array -> any rows (m, d), unit length, float32.

Each call opens new memory maps, so that pages of earlier calls do not stay in memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from unprompt.index.base.errors import CorpusError
from unprompt.index.encoders.protocols import to_unit_length

WRITE_BLOCK = 16_384


class Vectors(Protocol):
    """Rows (n, d) that need not be in memory."""

    @property
    def dim(self) -> int:
        """The number of dimensions d."""

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors (m, d) of `rows` (m,), in that order, unit length, float32."""


class _Stored(NamedTuple):
    """The header of an .npy file, which is read once."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, int]
    offset: int

    def open(self) -> np.ndarray:
        """A memory map of the file's array."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


def _describe(path: Path) -> _Stored:
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    if stored.ndim != 2 or not stored.flags.c_contiguous:
        raise CorpusError(
            f"{path} has shape {stored.shape}, wanted vectors (n, d) in row-major order"
        )
    return _Stored(path, stored.dtype, stored.shape, stored.offset)


class VectorFiles:
    """The rows of all files in order, as one array (n, d) that stays on disk."""

    def __init__(self, paths: Sequence[Path]):
        self._maps = [_describe(path) for path in paths]
        heights = [file.shape[0] for file in self._maps]
        self.starts = np.concatenate([[0], np.cumsum(heights, dtype=np.int64)])
        self.dim = self._maps[0].shape[1] if self._maps else 0

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors.take`."""
        distinct, order = np.unique(rows, return_inverse=True)
        edges = np.searchsorted(distinct, self.starts)
        found = np.empty((len(distinct), self.dim), np.float32)
        for place in np.flatnonzero(edges[1:] > edges[:-1]):
            span = slice(edges[place], edges[place + 1])
            stored = self._maps[place].open()
            found[span] = stored[distinct[span] - self.starts[place]]
        return to_unit_length(found)[order]


class VectorArray:
    """An array (n, d) or a memory map with the methods of `VectorFiles`."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors
        self.dim = vectors.shape[1]

    def __len__(self) -> int:
        return len(self._vectors)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Vectors.take`."""
        return to_unit_length(self._vectors[rows])


def blocks(vectors: Vectors, rows: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the vectors of `rows` in blocks, each with the position of its first row in `rows`."""
    for start in range(0, len(rows), size):
        yield start, vectors.take(rows[start : start + size])


def write_vectors(
    path: Path, dtype: type[np.floating], vectors: Vectors, rows: np.ndarray | None = None
) -> None:
    """Write `rows` of the vectors, or all rows, to one .npy file, block by block."""
    rows = np.arange(len(vectors)) if rows is None else rows
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (len(rows), vectors.dim),
    }
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for _, block in blocks(vectors, rows, WRITE_BLOCK):
            handle.write(block.astype(dtype).tobytes())
