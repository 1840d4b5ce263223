"""Vectors (n, d) of drawn prompts -> the rows that make the bank: no near-duplicates, m at most.

Without examples the first rows win. With the vectors of example prompts, those rows win that are
among the nearest to many of them, so that every example finds a near row.
"""

import numpy as np

from unprompt.build.corpus.duplicates.cosine import drop_exactly
from unprompt.index.vectors.nearest import nearest

DEPTH = 30  # nearest rows that an example votes for
DECAY = 0.7  # of the votes, from one rank to the next


def choose_rows(
    vectors: np.ndarray, threshold: float, count: int, examples: np.ndarray | None = None
) -> np.ndarray:
    """At most `count` rows, ascending; every pair has a cosine below `threshold`.

    Both matrices are of unit length, float32.
    """
    order = np.arange(len(vectors))
    if examples is not None:
        order = np.argsort(-count_votes(vectors, examples), kind="stable")
    dropped = drop_exactly(np.ascontiguousarray(vectors[order]), threshold).rows
    return np.sort(np.delete(order, dropped)[:count])


def count_votes(vectors: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Votes (n,) of examples (e, d): 1 for the row nearest to each, `DECAY` for the next, ..."""
    rows = nearest(examples, vectors, min(DEPTH, len(vectors)))[1]
    weights = np.tile(DECAY ** np.arange(rows.shape[1]), (len(rows), 1))
    return np.bincount(rows.ravel(), weights.ravel(), minlength=len(vectors))


def without_near(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """The vectors (m, d) that are near to no earlier one, so that a style sheet counts little."""
    return np.delete(vectors, drop_exactly(vectors, threshold).rows, axis=0)
