"""The words' own vectors of the prompt encoder, in files of which a query reads a few rows.

FOLDER/words.npy    (w, d) float16, or int8
FOLDER/scales.npy   (w, 1) float32, where they are int8
"""

from pathlib import Path
from threading import Lock

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.runtime.openvino_graph import Storage

WORDS, SCALES = "words.npy", "scales.npy"
LARGEST = 127.0  # of int8


def save_words(folder: Path, words: np.ndarray, storage: Storage) -> None:
    """Write (w, d) vectors; int8 has a scale a word."""
    if storage == "f16":
        _save(folder / WORDS, words.astype(np.float16))
        return
    scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / LARGEST
    _save(folder / SCALES, scales.astype(np.float32))
    _save(folder / WORDS, np.round(words / scales).astype(np.int8))


class WordVectors:
    """What `save_words` wrote, read from the file word by word.

    A memory map of it would bring sixteen pages into memory for each.
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
        """Ids (n, t) -> (n, t, d) float32."""
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
