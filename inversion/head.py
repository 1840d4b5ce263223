"""Tower features (q, d_image) -> prompt vectors (q, d_prompt), straight, without neighbours.

The first head is ridge regression in closed form. A head saves itself as `config.json` and
`head.safetensors`, and says which encoder's features it takes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.durable import read_json, write_atomically, write_json
from unprompt.index.encoders import check_same_space, to_unit_length
from unprompt.index.errors import ConfigError, DamagedFileError
from unprompt.index.settings import STRICT, read_settings, write_settings

CONFIG, WEIGHTS = "config.json", "head.safetensors"


class RegressionHead(Protocol):
    """Anything that predicts prompt vectors from the features of one encoder."""

    @property
    def space(self) -> str:
        """The encoder whose features it takes."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> unit vectors (q, d_prompt)."""


@dataclass(frozen=True, config=STRICT)
class HeadConfig:
    """Ridge penalties to try, relative to the mean variance of a feature; validation decides."""

    penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"head.penalties must be positive numbers, got {self.penalties}")


@dataclass(frozen=True, config=STRICT)
class HeadDescription:
    """What a saved head is."""

    kind: str
    space: str
    target_space: str
    penalty: float
    rows: int
    validation_cosine: float


class RidgeHead:
    """A linear map fitted in closed form."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, description: HeadDescription):
        self._weight = weight  # (d_image, d_prompt) float32
        self._bias = bias  # (d_prompt,) float32
        self.description = description

    @property
    def space(self) -> str:
        """The encoder whose features it takes."""
        return self.description.space

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> unit vectors (q, d_prompt)."""
        return to_unit_length(np.asarray(features, dtype=np.float32) @ self._weight + self._bias)

    def save(self, folder: Path) -> None:
        """Write weights (fp16), then the config that says they are complete."""
        from safetensors.numpy import save

        tensors = {"weight": self._weight.astype(np.float16), "bias": self._bias}
        with write_atomically(folder / WEIGHTS) as temporary:
            # safetensors' own save_file makes a file that only its owner may read
            temporary.write_bytes(save(tensors))
        write_json(folder / CONFIG, write_settings(self.description))


def load_head(folder: Path, space: str) -> RegressionHead:
    """The head saved in `folder`; refuses one whose features come from another encoder."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    origin = str(folder / CONFIG)
    description = read_settings(HeadDescription, read_json(folder / CONFIG), origin)
    if description.kind != "ridge":
        raise DamagedFileError(f"{origin} names an unknown kind of head, {description.kind!r}")
    remedy = "Fit the head again: `unprompt build CONFIG --stage fit`."
    check_same_space(space, description.space, f"the head in {folder}", remedy)
    try:
        tensors = load_file(folder / WEIGHTS)
        weight, bias = tensors["weight"], tensors["bias"]
    except (SafetensorError, OSError, KeyError) as error:
        raise DamagedFileError(f"{folder / WEIGHTS} is broken: {error}. {remedy}") from error
    return RidgeHead(weight.astype(np.float32), bias.astype(np.float32), description)


class RidgeProblem:
    """Training features and targets reduced to what every penalty shares."""

    def __init__(self, features: np.ndarray, targets: np.ndarray):
        features = np.asarray(features, dtype=np.float64)
        targets = np.asarray(targets, dtype=np.float64)
        self._feature_mean = features.mean(axis=0)
        self._target_mean = targets.mean(axis=0)
        centred = features - self._feature_mean
        self._values, self._basis = np.linalg.eigh(centred.T @ centred / len(features))
        self._cross = self._basis.T @ (centred.T @ (targets - self._target_mean)) / len(features)

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
) -> RidgeHead:
    """Fit on (features, targets) of `train`; keep the penalty with the best validation cosine.

    `spaces` are those of the image encoder and of the prompt encoder.
    """
    problem = RidgeProblem(*train)
    features, truth = (np.asarray(part, dtype=np.float32) for part in validation)
    best: RidgeHead | None = None
    for penalty in penalties:
        weight, bias = problem.solve(penalty)
        cosine = float((to_unit_length(features @ weight + bias) * truth).sum(axis=1).mean())
        if best is None or cosine > best.description.validation_cosine:
            description = HeadDescription("ridge", *spaces, penalty, len(train[0]), cosine)
            best = RidgeHead(weight, bias, description)
    if best is None:
        raise ConfigError("fit_ridge was given no penalty to try")
    return best
