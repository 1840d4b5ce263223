"""Keys of a frozen tower -> whether a picture lies outside the corpus, and its ImageNet class.

The 1,000 ImageNet classes form an index of prompts whose keys are the classifier's rows. The answer
is therefore a kNN estimate like any other.
"""

from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.bundle.bundle import ENCODER, FALLBACK, INDEX
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.exported.export import load_encoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.towers.novelty import DESCRIPTION, Novelty, load_novelty
from unprompt.inversion.estimate.knn import KnnConfig, KnnEstimate, estimate

# Features of length 15 times classifier rows of length 2.3: the softmax of the tower's own logits.
CLASSES = KnnConfig(k=10, temperature=1 / 35)


class Screening(NamedTuple):
    """How far some pictures lie from the corpus, by the frozen tower."""

    novelty: np.ndarray  # (q,) residual as a multiple of the threshold; over 1 is outside
    keys: np.ndarray  # (q, d)


class Fallback:
    """A frozen tower, its classes, and the threshold for pictures outside the corpus."""

    def __init__(self, encoder: ImageEncoder, classes: PromptIndex, novelty: Novelty):
        classes.check_encoder(encoder.space)
        self.encoder = encoder
        self.classes = classes
        self.novelty = novelty

    def screen(self, keys: np.ndarray) -> Screening:
        """Measure the novelty of pictures by their keys (q, d) of `encoder`."""
        return Screening(self.novelty.measure(keys), keys)

    def classify(self, keys: np.ndarray) -> KnnEstimate:
        """Classify pictures by keys (q, d): class prompts as neighbors, and a prompt vector."""
        return estimate(self.classes, keys, CLASSES)


def load_fallback(
    bundle: Path,
    threads: int | None = None,
    towers: Executor | None = None,
    streams: int | None = None,
) -> Fallback | None:
    """Load the fallback of a bundle, or return None if the bundle has none.

    `towers` loads the tower in the background.
    """
    folder = bundle / FALLBACK
    if not (folder / DESCRIPTION).is_file():
        return None
    encoder = load_encoder(folder / ENCODER, threads, towers, streams)
    return Fallback(encoder, PromptIndex.load(folder / INDEX), load_novelty(folder, encoder.space))
