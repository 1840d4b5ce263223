"""New keys (n, d_image) against an index -> how much farther they lie than its own rows do."""

from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.matrix import Matrix

SAMPLE = 500  # rows of either side
LOW = 5.0  # percentile of the index' own rows that the median new key should reach
GROWTH = 2.0  # times the rows that the index was trained on


class Drift(NamedTuple):
    """Cosines, in the index' space, to the nearest row."""

    new: float  # median of the new keys
    stored: float  # median of the index' own rows, each without itself
    low: float  # of these, the percentile LOW

    @property
    def is_large(self) -> bool:
        """Whether half of the new keys are farther away than nearly all rows of the index."""
        return self.new < self.low


def measure_drift(index: PromptIndex, keys: Matrix) -> Drift | None:
    """Compare samples of both; None where the index keeps no keys or has a single row."""
    if index.keys is None or index.manifest.ntotal < 2 or not len(keys):
        return None
    stored = np.asarray(index.keys[_spread(index.manifest.ntotal)], dtype=np.float32)
    own = to_unit_length(stored)  # float16 rounds the length
    apart = index.search(own, 2).scores[:, 1]
    near = index.search(np.asarray(keys[_spread(len(keys))], dtype=np.float32), 1).scores[:, 0]
    return Drift(float(np.median(near)), float(np.median(apart)), float(np.percentile(apart, LOW)))


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
