"""A built run -> one score a method on its held-out test pictures: mean cosine, 95% interval, n."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.bundle import BLEND, HEAD, INDEX
from unprompt.index.encoders import to_unit_length
from unprompt.index.prompt_index import PromptIndex
from unprompt.inversion.blend import Blend, load_blend
from unprompt.inversion.fit import Targets, labelled_keys
from unprompt.inversion.head import RegressionHead, load_head
from unprompt.inversion.knn import estimate
from unprompt.inversion.member import estimate_prompts

RESAMPLES = 2000


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
    head = load_head(bundle / HEAD, index.manifest.space)
    test = labelled_keys(embeddings, "test", targets)
    found = predict_all([(index, head)], [test.keys], load_blend(bundle / BLEND))
    return [score(method, vectors, test.truth) for method, vectors in found.items()]


def predict_all(
    members: Sequence[tuple[PromptIndex, RegressionHead]],
    keys: Sequence[np.ndarray],
    blend: Blend,
) -> Mapping[str, np.ndarray]:
    """Prompt vectors (n, d_prompt) by method, for the keys (n, d_image) of each member.

    `constant` answers every picture with the mean of the index' targets, `nearest prompt` with
    the prompt of the nearest picture alone, `knn` with the neighbours as they serve best without a
    head. `even blend` is the blend before the gate, where there is one.
    """
    index = members[0][0]
    estimates = estimate_prompts(members, keys, blend)
    alone = estimate(index, keys[0], blend.knn_alone or blend.knn)
    nearest = np.asarray(index.targets[estimates.knn.neighbors.rows[:, 0]], dtype=np.float32)
    found = {
        "constant": np.repeat(index.mean_target[None], len(keys[0]), axis=0),
        "nearest prompt": to_unit_length(nearest),
        "knn": alone.vectors,
        "head": estimates.head,
    }
    if blend.gate is not None:
        found["even blend"] = estimate_prompts(members, keys, replace(blend, gate=None)).blend
    return {**found, "blend": estimates.blend}


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
