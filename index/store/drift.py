"""New keys (n, d_image) and an index -> how near its rows they are, compared with its own rows."""

from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.transforms import sample_rows

SAMPLE = 500  # rows of either side
LOW_PERCENTILE = 5.0  # of the index' own rows, which the median new key should reach
MAX_GROWTH = 2.0  # rows per row that the index was trained on


class Drift(NamedTuple):
    """Cosines to the nearest row, in the space of the index."""

    new: float  # median of the new keys
    stored: float  # median of the index' own rows, each without itself
    low: float  # LOW_PERCENTILE of the index' own rows

    @property
    def is_large(self) -> bool:
        """Whether half of the new keys are farther away than nearly all rows of the index."""
        return self.new < self.low


def measure_drift(index: PromptIndex, keys: Matrix) -> Drift | None:
    """Compare samples of both; None where the index stores no keys or has a single row."""
    if index.keys is None or index.manifest.ntotal < 2 or not len(keys):
        return None
    stored = np.asarray(index.keys[sample_rows(index.manifest.ntotal, SAMPLE)], dtype=np.float32)
    own = to_unit_length(stored)  # rounding to float16 changed the lengths
    stored_scores = index.search(own, 2).scores[:, 1]
    sample = np.asarray(keys[sample_rows(len(keys), SAMPLE)], dtype=np.float32)
    new_scores = index.search(sample, 1).scores[:, 0]
    return Drift(
        float(np.median(new_scores)),
        float(np.median(stored_scores)),
        float(np.percentile(stored_scores, LOW_PERCENTILE)),
    )
