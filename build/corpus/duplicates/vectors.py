"""Vectors (n, d), on disk in several .npy files or at hand -> unit rows (m, d) float32.

Files are mapped for one call at a time, so that pages that were read do not pile up.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from unprompt.index.base.errors import CorpusError
from unprompt.index.encoders.protocols import to_unit_length

WRITTEN_AT_ONCE = 16_384


class Vectors(Protocol):
    """Rows (n, d) that need not be in memory."""

    @property
    def dim(self) -> int:
        """d, the length of a vector."""

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Any rows (m,), in their order, unit length, float32."""


class _Stored(NamedTuple):
    """Where the numbers of an .npy file start: its header is read once."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, int]
    offset: int

    def open(self) -> np.ndarray:
        """The file's array, mapped for as long as it is kept."""
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


def _describe(path: Path) -> _Stored:
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    if stored.ndim != 2 or not stored.flags.c_contiguous:
        raise CorpusError(f"{path} has shape {stored.shape}, wanted vectors (n, d), row by row")
    return _Stored(path, stored.dtype, stored.shape, stored.offset)


class VectorFiles:
    """The rows of all files in order, as one array (n, d) that is never whole in memory."""

    def __init__(self, paths: Sequence[Path]):
        self._maps = [_describe(path) for path in paths]
        heights = [file.shape[0] for file in self._maps]
        self.starts = np.concatenate([[0], np.cumsum(heights, dtype=np.int64)])
        self.dim = self._maps[0].shape[1] if self._maps else 0

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Any rows (m,), in their order."""
        distinct, order = np.unique(rows, return_inverse=True)
        edges = np.searchsorted(distinct, self.starts)
        found = np.empty((len(distinct), self.dim), np.float32)
        for place in np.flatnonzero(edges[1:] > edges[:-1]):
            span = slice(edges[place], edges[place + 1])
            stored = self._maps[place].open()
            found[span] = stored[distinct[span] - self.starts[place]]
        return to_unit_length(found)[order]


class VectorArray:
    """An array (n, d), or a map of one, asked in the same way."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors
        self.dim = vectors.shape[1]

    def __len__(self) -> int:
        return len(self._vectors)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Any rows (m,), in their order."""
        return to_unit_length(self._vectors[rows])


def blocks(vectors: Vectors, rows: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Rows `rows` in blocks: the place in `rows` of the first, and the vectors."""
    for start in range(0, len(rows), size):
        yield start, vectors.take(rows[start : start + size])


def write_vectors(
    path: Path, dtype: type[np.floating], vectors: Vectors, rows: np.ndarray | None = None
) -> None:
    """Write `rows` of the vectors, or all, as one .npy file, block by block."""
    rows = np.arange(len(vectors)) if rows is None else rows
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": (len(rows), vectors.dim),
    }
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for _, block in blocks(vectors, rows, WRITTEN_AT_ONCE):
            handle.write(block.astype(dtype).tobytes())
