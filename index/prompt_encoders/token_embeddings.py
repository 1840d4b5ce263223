"""The table of token embeddings of the prompt encoder, on disk: a query reads a few rows.

FOLDER/words.npy    (tokens, d) float16 or int8
FOLDER/scales.npy   (tokens, 1) float32, for int8
"""

from pathlib import Path
from threading import Lock

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.safe.arrays import load_array, map_array
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
        mapped = map_array(folder / WORDS, (2,), ("<f2", "|i1"))
        if not isinstance(mapped, np.memmap):
            raise DamagedFileError(f"{folder / WORDS} holds no embeddings")
        self._tokens, self._dim = mapped.shape
        self._start, self._kind = mapped.offset, mapped.dtype
        self._scales = None
        if self._kind == np.int8:
            self._scales = load_array(folder / SCALES, (2,), ("<f4",))
            if self._scales.shape != (self._tokens, 1):
                raise DamagedFileError(
                    f"{folder / SCALES} has the shape {self._scales.shape}, wanted one number for "
                    f"each of {self._tokens} tokens"
                )
        self._handle = (folder / WORDS).open("rb")
        self._lock = Lock()

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Token ids (n, t) -> embeddings (n, t, d) float32."""
        wanted, places = np.unique(ids, return_inverse=True)
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < self._tokens:
            raise DamagedFileError(
                f"the tokenizer gives the token {wanted[-1]}, the table has {self._tokens} rows"
            )
        width, rows = self._dim * self._kind.itemsize, []
        with self._lock:
            for number in wanted.tolist():
                self._handle.seek(self._start + number * width)
                rows.append(self._handle.read(width))
        found = np.frombuffer(b"".join(rows), self._kind).reshape(len(wanted), self._dim)
        wide = found.astype(np.float32)
        if not np.isfinite(wide).all():
            raise DamagedFileError(f"{self._handle.name} holds numbers that are not finite")
        if self._scales is not None:
            wide *= self._scales[wanted]
        return wide[places.reshape(ids.shape)]


def _save(path: Path, array: np.ndarray) -> None:
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array)
