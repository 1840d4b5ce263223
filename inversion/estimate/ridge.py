"""Ridge regression in closed form: features (n, d_image), targets (n, d_prompt) -> a head."""

from collections.abc import Sequence

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.head import HeadDescription, LinearHead


class RidgeProblem:
    """The part of the solution that all penalties share."""

    def __init__(self, features: np.ndarray, targets: np.ndarray):
        features = np.asarray(features, dtype=np.float64)
        targets = np.asarray(targets, dtype=np.float64)
        self._feature_mean = features.mean(axis=0)
        self._target_mean = targets.mean(axis=0)
        centered = features - self._feature_mean
        self._values, self._basis = np.linalg.eigh(centered.T @ centered / len(features))
        self._cross = self._basis.T @ (centered.T @ (targets - self._target_mean)) / len(features)

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weight (d_image, d_prompt) and bias (d_prompt,) float32 for one relative penalty."""
        ridge = penalty * self._values.mean()
        weight = self._basis @ (self._cross / (self._values + ridge)[:, None])
        bias = self._target_mean - self._feature_mean @ weight
        return weight.astype(np.float32), bias.astype(np.float32)


def fit_ridge(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    spaces: tuple[str, str],
    penalties: Sequence[float],
) -> LinearHead:
    """Fit on (features, targets) of `train`; choose the penalty with the best validation cosine.

    `spaces` are the spaces of the image encoder and the prompt encoder.
    """
    problem = RidgeProblem(*train)
    features, truth = (np.asarray(part, dtype=np.float32) for part in validation)
    best: LinearHead | None = None
    for penalty in penalties:
        weight, bias = problem.solve(penalty)
        cosine = float((to_unit_length(features @ weight + bias) * truth).sum(axis=1).mean())
        if best is None or cosine > best.description.validation_cosine:
            description = HeadDescription("ridge", *spaces, penalty, len(train[0]), cosine)
            best = LinearHead(weight, bias, description)
    if best is None:
        raise ConfigError("fit_ridge needs at least one penalty, got none; set fit.head.penalties")
    return best
