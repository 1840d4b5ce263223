"""The estimates for one picture -> its Inversion, with the known prompts that support it."""

from dataclasses import replace

import numpy as np

from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.answer import Inversion
from unprompt.inversion.estimate.candidates import heaviest, read_candidates
from unprompt.inversion.estimate.fallback import Fallback
from unprompt.inversion.estimate.member import Estimates
from unprompt.inversion.query import Query


def answer_from_neighbors(
    index: PromptIndex, estimates: Estimates, place: int, query: Query
) -> Inversion:
    """The answer to picture number `place` of a batch; its prompt is the best candidate."""
    vector = estimates.blend[place]
    found = read_candidates(index, estimates.knn, place, vector)
    ranked = tuple(sorted(found, key=lambda candidate: -candidate.score))
    return Inversion(
        prompt=ranked[0].prompt if ranked else "",
        vector=vector,
        knn=estimates.knn_vectors[place],
        head=estimates.head[place],
        alpha=float(estimates.alpha[place]),
        candidates=ranked[: query.candidates],
        neighbors=heaviest(found, query.candidates),
    )


def answer_from_classes(
    answer: Inversion, fallback: Fallback, keys: np.ndarray, query: Query
) -> Inversion:
    """`answer` with the ImageNet classes of one picture in place of its neighbors.

    `keys` (1, d) is the picture's vector by the encoder of `fallback`. The answer has no expected
    cosine, since the calibration covers the corpus' pictures only.
    """
    classes = fallback.classify(keys)
    found = read_candidates(fallback.classes, classes, 0, classes.vectors[0])
    by_weight = heaviest(found, query.candidates)
    banned = query.words.banned
    allowed = [candidate for candidate in by_weight if not banned.hits(candidate.prompt)]
    return replace(
        answer,
        prompt=allowed[0].prompt if allowed else "",
        vector=classes.vectors[0],
        alpha=1.0,
        knn=classes.vectors[0],
        candidates=by_weight,
        neighbors=by_weight,
        expected_cosine=None,
        outside=True,
        world=None,
    )
