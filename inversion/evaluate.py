"""A built run -> one score a method on its held-out test pictures: mean cosine, 95% interval, n."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.bundle import BLEND, HEAD, INDEX
from unprompt.index.encoders import to_unit_length
from unprompt.index.prompt_index import PromptIndex
from unprompt.inversion.blend import load_blend, mix
from unprompt.inversion.fit import LabelledKeys, Targets, labelled_keys
from unprompt.inversion.head import load_head
from unprompt.inversion.knn import estimate_from_neighbors, find_prompts

RESAMPLES = 2000
METHODS = ("constant", "nearest prompt", "knn", "head", "blend")


@dataclass(frozen=True)
class MethodScore:
    """How near one method's vectors come to the true prompts' vectors."""

    method: str
    mean_cosine: float
    ci95: tuple[float, float]  # percentile bootstrap over the test pictures
    n: int

    def as_json(self) -> dict[str, Any]:
        """The score with plain JSON values."""
        return {**asdict(self), "ci95": list(self.ci95)}


def evaluate_run(bundle: Path, embeddings: Path, targets: Targets) -> list[MethodScore]:
    """Score every method on the test split of a run, the baselines first."""
    index = PromptIndex.load(bundle / INDEX)
    test = labelled_keys(embeddings, "test", targets)
    return [
        score(method, vectors, test.truth)
        for method, vectors in predict_all(bundle, index, test).items()
    ]


def predict_all(bundle: Path, index: PromptIndex, test: LabelledKeys) -> Mapping[str, np.ndarray]:
    """Prompt vectors (n, d_prompt) for the test keys, by method.

    `constant` answers every picture with the mean of the index' targets, `nearest prompt` with
    the prompt of the nearest picture alone.
    """
    head = load_head(bundle / HEAD, index.manifest.space)
    blend = load_blend(bundle / BLEND)
    targets = np.asarray(index.targets, dtype=np.float32)
    constant = to_unit_length(targets.mean(axis=0, keepdims=True))
    neighbors = find_prompts(index, test.keys, blend.knn.k)
    knn = estimate_from_neighbors(neighbors, index.targets, blend.knn).vectors
    regressed = head.predict(test.keys)
    estimates = (
        np.repeat(constant, len(test.keys), axis=0),
        to_unit_length(targets[neighbors.rows[:, 0]]),
        knn,
        regressed,
        mix(knn, regressed, blend.alpha),
    )
    return dict(zip(METHODS, estimates, strict=True))


def score(method: str, vectors: np.ndarray, truth: np.ndarray, seed: int = 0) -> MethodScore:
    """Mean cosine of unit vectors (n, d) to the truth, with a bootstrap interval."""
    cosines = np.einsum("nd,nd->n", vectors, truth).astype(np.float64)
    generator = np.random.default_rng(seed)
    count = len(cosines)
    means = np.array(
        [cosines[generator.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return MethodScore(method, float(cosines.mean()), (float(low), float(high)), count)
