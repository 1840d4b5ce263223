"""Keys (n, d) of the indexed pictures -> the novelty of other pictures.

Novelty is the part of a key outside the principal subspace of the known keys (the residual of ViM,
Wang et al. 2022). It is small for pictures like the corpus and large for others.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.tensors import load_tensors
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.encoders.protocols import check_same_space

DESCRIPTION, TENSORS = "novelty.json", "novelty.safetensors"
REMEDY = "Make it again: `unprompt build CONFIG --stage fallback`."


@dataclass(frozen=True, config=STRICT)
class NoveltyConfig:
    """The size of the subspace, and the accepted rate of false alarms."""

    explained: float = Field(
        default=0.5, gt=0, lt=1
    )  # share of the keys' variance inside the subspace
    false_alarms: float = Field(default=0.005, gt=0, lt=1)  # of held-out pictures of the corpus
    sample: int = Field(default=4000, ge=16)  # maximum number of train pictures for the fit


@dataclass(frozen=True, config=STRICT)
class NoveltyDescription:
    """The data of the fit, and the threshold."""

    space: str  # of the encoder that makes the keys
    threshold: Annotated[float, Field(gt=0)]  # pictures with a larger residual are outside
    pictures: int
    held_out: int
    config: NoveltyConfig


class Novelty:
    """A principal subspace and a threshold."""

    def __init__(self, mean: np.ndarray, directions: np.ndarray, description: NoveltyDescription):
        self._mean = mean  # (d,) float32
        self._directions = directions  # (d, r) float32, orthonormal
        self.description = description

    def measure(self, keys: np.ndarray) -> np.ndarray:
        """The residual length (q,) of each key as a multiple of the threshold.

        Over 1 is outside.
        """
        return _residuals(keys, self._mean, self._directions) / self.description.threshold

    def save(self, folder: Path) -> None:
        """Write the subspace (fp16), then the description, which marks it as complete."""
        from safetensors.numpy import save

        tensors = {"mean": self._mean, "directions": self._directions}
        narrow = {name: np.ascontiguousarray(t, np.float16) for name, t in tensors.items()}
        with write_atomically(folder / TENSORS) as temporary:
            temporary.write_bytes(save(narrow))
        write_json(folder / DESCRIPTION, write_settings(self.description))


def fit_novelty(
    keys: np.ndarray, held_out: np.ndarray, space: str, config: NoveltyConfig
) -> Novelty:
    """Fit on keys of known pictures (n, d). Held-out keys (m, d) set the threshold."""
    if len(keys) < 2 or not len(held_out):
        raise ConfigError(
            f"novelty needs two known pictures and one held-out picture, got {len(keys)} and "
            f"{len(held_out)}; give the corpus validation prompts, or set `fallback: null`"
        )
    keys = np.asarray(keys, dtype=np.float64)
    mean = keys.mean(axis=0)
    _, lengths, directions = np.linalg.svd(keys - mean, full_matrices=False)
    share = np.cumsum(lengths**2) / max(float((lengths**2).sum()), 1e-12)
    rank = min(int(np.searchsorted(share, config.explained)) + 1, len(lengths))
    # measure with the values as stored
    parts = (mean, directions[:rank].T)
    mean, chosen = (part.astype(np.float16).astype(np.float32) for part in parts)
    residuals = _residuals(held_out, mean, chosen)
    threshold = max(float(np.quantile(residuals, 1.0 - config.false_alarms)), 1e-6)
    described = NoveltyDescription(space, threshold, len(keys), len(held_out), config)
    return Novelty(mean, chosen, described)


def load_novelty(folder: Path, space: str) -> Novelty:
    """Read a detector. Raises SpaceMismatchError if its keys come from another encoder."""
    origin = str(folder / DESCRIPTION)
    description = read_settings(NoveltyDescription, read_json(folder / DESCRIPTION), origin)
    check_same_space(space, description.space, f"the novelty detector in {folder}", REMEDY)
    tensors = load_tensors(folder / TENSORS, {"mean": 1, "directions": 2}, REMEDY)
    mean, directions = tensors["mean"], tensors["directions"]
    if len(mean) != len(directions):
        raise DamagedFileError(
            f"{folder / TENSORS} has a mean of {len(mean)} numbers for directions of "
            f"{len(directions)}. {REMEDY}"
        )
    return Novelty(mean, directions, description)


def _residuals(keys: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    shifted = np.asarray(keys, dtype=np.float32) - mean
    return np.linalg.norm(shifted - (shifted @ directions) @ directions.T, axis=1)
