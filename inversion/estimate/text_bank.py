"""Search pictures among prompts in one joint space, without renders: (q, d) -> (q, d_prompt).

This is the kNN regression of the public Kaggle notebooks: the 100 prompts whose vectors are nearest
to the picture's, weighted by 1 / (distance ** 6 + 1e-4). It is the untuned baseline of retrieval.
"""

import numpy as np

from unprompt.index.base.errors import CorpusError
from unprompt.index.store.prompt_index import Neighbors
from unprompt.index.vectors.nearest import nearest
from unprompt.inversion.estimate.knn import KnnConfig, estimate_from_neighbors

RECIPE = KnnConfig(k=100, weighting="inverse_power", power=6.0)


def estimate_from_texts(
    pictures: np.ndarray, texts: np.ndarray, targets: np.ndarray, config: KnnConfig = RECIPE
) -> np.ndarray:
    """Prompt vectors (q, d_prompt) of pictures (q, d), by exact search among texts (n, d).

    Row i of `targets` (n, d_prompt) belongs to text i. Raises CorpusError if the shapes differ.
    """
    if pictures.shape[1] != texts.shape[1] or len(texts) != len(targets):
        raise CorpusError(
            f"a text bank needs text vectors of dimension {pictures.shape[1]} and "
            f"one target each, got {texts.shape} and {len(targets)} targets; encode the prompts "
            "with the text tower of the same CLIP"
        )
    scores, rows = nearest(pictures, texts, min(config.k, len(texts)))
    return estimate_from_neighbors(Neighbors(scores, rows), targets, config).vectors
