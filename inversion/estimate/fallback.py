"""Pictures unlike the corpus: keys of a frozen tower -> is it outside, and which class is it.

The 1,000 ImageNet classes are an index of prompts whose keys are the classifier's rows, so that the
answer is a kNN estimate like any other.
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


class Outlook(NamedTuple):
    """What the frozen tower makes of some pictures."""

    novelty: np.ndarray  # (q,) residual as a multiple of the threshold: over 1 is outside
    keys: np.ndarray  # (q, d)


class Fallback:
    """A frozen tower, its classes, and the line around the corpus."""

    def __init__(self, encoder: ImageEncoder, classes: PromptIndex, novelty: Novelty):
        classes.check_encoder(encoder.space)
        self.encoder = encoder
        self.classes = classes
        self.novelty = novelty

    def look(self, keys: np.ndarray) -> Outlook:
        """How unlike the corpus the pictures are whose keys (q, d) by `encoder` these are."""
        return Outlook(self.novelty.measure(keys), keys)

    def classify(self, keys: np.ndarray) -> KnnEstimate:
        """The classes of pictures (q, d), as neighbours and a prompt vector."""
        return estimate(self.classes, keys, CLASSES)


def load_fallback(
    bundle: Path, threads: int | None = None, towers: Executor | None = None
) -> Fallback | None:
    """The fallback of a bundle, None where it was built without one.

    `towers` get the tower ready while the rest is loaded.
    """
    folder = bundle / FALLBACK
    if not (folder / DESCRIPTION).is_file():
        return None
    encoder = load_encoder(folder / ENCODER, threads, towers)
    return Fallback(encoder, PromptIndex.load(folder / INDEX), load_novelty(folder, encoder.space))
