"""Tower features (q, d_image) -> prompt vectors (q, d_prompt), by regression, without neighbors.

A head is saved as `config.json` and `head.safetensors`, with the encoder whose features it takes.
`ridge` and `kernel` are fitted in closed form, `trained` is learned together with the tower, and
`encoder` means that the encoder's own vector is the prediction.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.tensors import load_tensors, tensor_names
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.encoders.protocols import check_same_space, to_unit_length
from unprompt.inversion.estimate.head_files import CONFIG, WEIGHTS, HeadDescription, save_head
from unprompt.inversion.estimate.kernel_head import KERNEL_RANKS, read_kernel_head

HIDDEN_RANKS = {"weight_1": 2, "bias_1": 1, "weight_2": 2, "bias_2": 1}
REMEDY = "Fit the head again: `unprompt build CONFIG --stage fit`."


@dataclass(frozen=True, config=STRICT)
class HeadConfig:
    """Ridge penalties to try, relative to the mean variance of a feature. Validation chooses."""

    penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"head.penalties must be positive numbers, got {self.penalties}")


class RegressionHead(Protocol):
    """A head that predicts prompt vectors from the features of one encoder."""

    @property
    def space(self) -> str:
        """The encoder whose features it takes."""

    @property
    def description(self) -> HeadDescription:
        """The kind of head, its spaces, and its validation cosine."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> unit vectors (q, d_prompt)."""

    def save(self, folder: Path) -> None:
        """Write the head to a folder for `load_head`."""


class LinearHead:
    """A head with one matrix and a bias."""

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
        """Write the weights (fp16), then the config, which marks them as complete."""
        tensors = {"weight": self._weight.astype(np.float16), "bias": self._bias}
        save_head(folder, tensors, self.description)


class HiddenLayerHead:
    """A head with two matrices and a ReLU between them: a trained `mlp` head after folding."""

    def __init__(self, matrices: Mapping[str, np.ndarray], description: HeadDescription):
        self._matrices = matrices
        self.description = description

    @property
    def space(self) -> str:
        """The encoder whose features it takes."""
        return self.description.space

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> unit vectors (q, d_prompt)."""
        own = self._matrices
        hidden = np.asarray(features, dtype=np.float32) @ own["weight_1"] + own["bias_1"]
        return to_unit_length(np.maximum(hidden, 0.0) @ own["weight_2"] + own["bias_2"])

    def save(self, folder: Path) -> None:
        """Write the weights (matrices fp16), then the config, which marks them as complete."""
        tensors = {
            name: matrix.astype(np.float16) if matrix.ndim == 2 else matrix
            for name, matrix in self._matrices.items()
        }
        save_head(folder, tensors, self.description)


class EncoderHead:
    """A head for encoders whose output already is the prediction of a trained head."""

    def __init__(self, description: HeadDescription):
        self.description = description

    @property
    def space(self) -> str:
        """The encoder whose vectors it takes."""
        return self.description.space

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Scale predictions (q, d_prompt) to unit length."""
        return to_unit_length(features)

    def save(self, folder: Path) -> None:
        """Write the config; there are no weights."""
        write_json(folder / CONFIG, write_settings(self.description))


def trained_head(
    matrices: Mapping[str, np.ndarray], description: HeadDescription
) -> RegressionHead:
    """Make the head of a trained tower from the matrices that `read_head` returns."""
    if "weight_1" in matrices:
        return HiddenLayerHead(matrices, description)
    return LinearHead(matrices["weight_2"], matrices["bias_2"], description)


def load_head(folder: Path, space: str) -> RegressionHead:
    """Load the head in `folder`.

    Raises SpaceMismatchError if its features come from an encoder other than `space`.
    """
    origin = str(folder / CONFIG)
    description = read_settings(HeadDescription, read_json(folder / CONFIG), origin)
    check_same_space(space, description.space, f"the head in {folder}", REMEDY)
    if description.kind == "encoder":
        return EncoderHead(description)
    path = folder / WEIGHTS
    if description.kind == "kernel":
        tensors = load_tensors(path, KERNEL_RANKS, REMEDY)
    elif "weight" in tensor_names(path, REMEDY):
        tensors = load_tensors(path, {"weight": 2, "bias": 1}, REMEDY)
    else:
        tensors = load_tensors(path, HIDDEN_RANKS, REMEDY)
    try:
        if description.kind == "kernel":
            return read_kernel_head(tensors, description)
    except ValueError as error:  # shapes that do not fit together
        raise DamagedFileError(f"{path} is broken: {error}. {REMEDY}") from error
    if "weight" in tensors:
        return LinearHead(tensors["weight"], tensors["bias"], description)
    return HiddenLayerHead(tensors, description)


def check_head(head: RegressionHead, dims: tuple[int, int], folder: Path) -> None:
    """Refuse a head that does not map features (q, d_image) to finite vectors (q, d_prompt).

    Raises DamagedFileError that names `folder`, the place of the head.
    """
    try:
        found = head.predict(np.ones((1, dims[0]), np.float32))
    except ValueError as error:
        raise DamagedFileError(f"the head in {folder} is broken: {error}. {REMEDY}") from error
    if found.shape != (1, dims[1]) or not np.isfinite(found).all():
        raise DamagedFileError(
            f"the head in {folder} makes vectors of {found.shape[-1]} numbers, wanted {dims[1]} "
            f"finite ones. {REMEDY}"
        )
