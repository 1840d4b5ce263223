"""Tower features (q, d_image) -> prompt vectors (q, d_prompt), by kernel regression.

A kernel ridge regression with a Gaussian kernel on a few directions of the features, in Nystrom
form (Williams and Seeger 2001): the kernel is evaluated at a fixed set of landmarks only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.head_files import HeadDescription, save_head

KERNEL_RANKS = {  # of the tensors in its file
    "center": 1, "bias": 1, "landmarks": 2, "projection": 2, "projection_scale": 1, "dual": 2,
    "dual_scale": 1,
}  # fmt: skip
NARROW = ("projection", "dual")  # stored as int8


class KernelWeights(NamedTuple):
    """The numbers of a kernel head, float32."""

    center: np.ndarray  # (d_image,) subtracted from the features
    projection: np.ndarray  # (d_image, r); distances are measured after it
    landmarks: np.ndarray  # (m, r)
    dual: np.ndarray  # (m, d_prompt)
    bias: np.ndarray  # (d_prompt,)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> vectors (q, d_prompt), not scaled."""
        shifted = np.asarray(features, dtype=np.float32) - self.center
        return gaussian(shifted @ self.projection, self.landmarks) @ self.dual + self.bias


def gaussian(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """exp(-squared distance) of rows (n, r) and (m, r): (n, m)."""
    lengths = np.einsum("nr,nr->n", left, left)[:, None] + np.einsum("mr,mr->m", right, right)
    return np.exp(np.minimum(2.0 * (left @ right.T) - lengths, 0.0))


class KernelHead:
    """A fitted kernel regression as a head."""

    def __init__(self, weights: KernelWeights, description: HeadDescription):
        self.weights = weights
        self.description = description

    @property
    def space(self) -> str:
        """The encoder whose features it takes."""
        return self.description.space

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Features (q, d_image) -> unit vectors (q, d_prompt)."""
        return to_unit_length(self.weights.predict(features))

    def save(self, folder: Path) -> None:
        """Write the weights, then the config, which marks them as complete.

        Landmarks are fp16. The two large matrices are int8 with a scale per column.
        """
        own = self.weights
        tensors = {"center": own.center, "bias": own.bias}
        tensors["landmarks"] = own.landmarks.astype(np.float16)
        for name in NARROW:
            codes, scale = _narrow(getattr(own, name))
            tensors |= {name: codes, f"{name}_scale": scale}
        save_head(folder, tensors, self.description)


def read_kernel_head(tensors: Mapping[str, np.ndarray], description: HeadDescription) -> KernelHead:
    """Make the head of float32 tensors; raises KeyError where one is missing."""
    wide = dict(tensors)
    for name in NARROW:
        wide[name] = tensors[name] * tensors[f"{name}_scale"]
    return KernelHead(KernelWeights(*(wide[name] for name in KernelWeights._fields)), description)


def _narrow(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (n, c) as int8 and the scale of each column (c,)."""
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / 127.0
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)
