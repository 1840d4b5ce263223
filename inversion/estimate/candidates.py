"""The neighbors of a query -> the candidates of an answer: prompts, scores and weights."""

from collections.abc import Sequence

import numpy as np

from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.answer import Candidate
from unprompt.inversion.estimate.knn import KnnEstimate


def read_candidates(
    index: PromptIndex, knn: KnnEstimate, place: int, vector: np.ndarray
) -> list[Candidate]:
    """The neighbors of query number `place`, scored by cosine to the answer (d_prompt,)."""
    places = np.flatnonzero(knn.neighbors.rows[place] >= 0)
    rows = knn.neighbors.rows[place][places]
    scores = widen(index.targets[rows]) @ vector
    known = index.read_values(rows, "prompt", "row_id")
    return [
        Candidate(
            prompt=known["prompt"][number],
            score=float(score),
            similarity=float(knn.neighbors.scores[place][spot]),
            weight=float(knn.weights[place][spot]),
            row=int(row),
            row_id=known["row_id"][number],
        )
        for number, (spot, row, score) in enumerate(zip(places, rows, scores, strict=True))
    ]


def heaviest(found: Sequence[Candidate], count: int) -> tuple[Candidate, ...]:
    """The `count` candidates with the largest weights."""
    return tuple(sorted(found, key=lambda candidate: -candidate.weight)[:count])
