"""Pictures against prompts in one joint space, no rendered picture needed: (q, d) -> (q, d_prompt).

The public Kaggle notebooks' kNN regression: the 100 known prompts whose vectors are nearest to the
picture's, weighted by 1 / (distance ** 6 + 1e-4). Untuned, it is the baseline of retrieval.
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
    """The prompt vectors (q, d_prompt) of pictures (q, d), by exact search among texts (n, d).

    Row i of `targets` (n, d_prompt) belongs to text i. Raises CorpusError for other dimensions.
    """
    if pictures.shape[1] != texts.shape[1] or len(texts) != len(targets):
        raise CorpusError(
            f"a text bank wants text vectors of the pictures' {pictures.shape[1]} numbers and a "
            f"target for each, got {texts.shape} and {len(targets)} targets; encode the prompts "
            "with the text tower of the same CLIP"
        )
    scores, rows = nearest(pictures, texts, min(config.k, len(texts)))
    return estimate_from_neighbors(Neighbors(scores, rows), targets, config).vectors
