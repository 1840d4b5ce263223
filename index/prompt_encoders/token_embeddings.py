"""The table of token embeddings of the prompt encoder, on disk: a query reads a few rows.

FOLDER/words.npy    (tokens, d) float16 or int8
FOLDER/scales.npy   (tokens, 1) float32, for int8
"""

from pathlib import Path
from threading import Lock

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.runtime.openvino_graph import Storage

WORDS, SCALES = "words.npy", "scales.npy"
LARGEST = 127.0  # of int8


def save_token_embeddings(folder: Path, words: np.ndarray, storage: Storage) -> None:
    """Write embeddings (tokens, d); int8 has one scale per token."""
    if storage == "f16":
        _save(folder / WORDS, words.astype(np.float16))
        return
    scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / LARGEST
    _save(folder / SCALES, scales.astype(np.float32))
    _save(folder / WORDS, np.round(words / scales).astype(np.int8))


class TokenEmbeddings:
    """Embeddings of single tokens from the files of `save_token_embeddings`.

    Rows are read from the file: a memory map would load sixteen pages per row. Threads may share
    it.
    """

    def __init__(self, folder: Path):
        mapped = np.load(folder / WORDS, mmap_mode="r", allow_pickle=False)
        self._start, self._dim, self._kind = mapped.offset, mapped.shape[1], mapped.dtype
        self._scales = None
        if self._kind == np.int8:
            self._scales = np.load(folder / SCALES, allow_pickle=False)
        self._handle = (folder / WORDS).open("rb")
        self._lock = Lock()

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Token ids (n, t) -> embeddings (n, t, d) float32."""
        wanted, places = np.unique(ids, return_inverse=True)
        width, rows = self._dim * self._kind.itemsize, []
        with self._lock:
            for number in wanted.tolist():
                self._handle.seek(self._start + number * width)
                rows.append(self._handle.read(width))
        found = np.frombuffer(b"".join(rows), self._kind).reshape(len(wanted), self._dim)
        wide = found.astype(np.float32)
        if self._scales is not None:
            wide *= self._scales[wanted]
        return wide[places.reshape(ids.shape)]


def _save(path: Path, array: np.ndarray) -> None:
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array)
