"""The codes of a FAISS index -> its vectors (n, d) again, at unit length, read where they are used.

An index of prompts by their own vectors needs no second copy of them: the codes are the targets.
"""

from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.vectors.direct_map import map_ids
from unprompt.index.vectors.faiss_library import one_thread
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import LazyMatrix
from unprompt.index.vectors.transforms import inner_index

SMALL = 20_000  # rows decoded by one thread
LEAST = 0.9  # cosine of a decoded vector to the one that was stored


class DecodedRows(LazyMatrix):
    """Decoded vectors of the rows that were not removed: (n, d) float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, vectors: Any, live: LiveRows):
        self._vectors = vectors
        self._live = live
        self.shape = (len(live), vectors.d)
        map_ids(inner_index(vectors))

    def __getitem__(self, rows: Any) -> np.ndarray:
        wanted = np.arange(len(self))[rows]
        ids = np.ascontiguousarray(self._live.to_ids(wanted).ravel(), dtype=np.int64)
        if not len(ids):
            return np.empty((*wanted.shape, self.shape[1]), self.dtype)
        with one_thread(len(ids) <= SMALL):
            found = self._vectors.reconstruct_batch(ids)
        return to_unit_length(found).reshape(*wanted.shape, self.shape[1])


def check_decodes(vectors: Any, factory: str, keys: np.ndarray) -> None:
    """Raise ConfigError where the first rows, `keys` (m, d), cannot be read back from the codes."""
    lowest = -1.0
    try:
        found = DecodedRows(vectors, LiveRows(len(keys)))[:]
        lowest = float(np.einsum("nd,nd->n", found, to_unit_length(keys)).min())
    except RuntimeError:  # a transform without a way back, such as whitening
        pass
    if lowest < LEAST:
        raise ConfigError(
            f"index.factory {factory} does not give the vectors of prompts back (lowest cosine "
            f"{lowest:.2f}, wanted {LEAST}); take SQ8, SQ6 or SQ4"
        )
