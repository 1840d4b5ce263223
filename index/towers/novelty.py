"""Keys (n, d) of the indexed pictures -> how far another picture lies from all of them.

The share of a key outside the principal subspace of the known ones (the residual of ViM, Wang et
al. 2022): small for pictures of the same kind, large for pictures of another world.
"""

from pathlib import Path

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.encoders.protocols import check_same_space

DESCRIPTION, TENSORS = "novelty.json", "novelty.safetensors"
REMEDY = "Make it again: `unprompt build CONFIG --stage fallback`."


@dataclass(frozen=True, config=STRICT)
class NoveltyConfig:
    """How the subspace is chosen, and which share of known pictures may be called unknown."""

    explained: float = Field(default=0.5, gt=0, lt=1)  # share of the keys' variance inside it
    false_alarms: float = Field(default=0.005, gt=0, lt=1)  # of held-out pictures of the corpus
    sample: int = Field(default=4000, ge=16)  # train pictures it is fitted on, at most


@dataclass(frozen=True, config=STRICT)
class NoveltyDescription:
    """What the detector was fitted on, and where it draws the line."""

    space: str  # of the encoder whose keys it takes
    threshold: float  # residual over which a picture is outside
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
        """Length (q,) of each key's residual, as a multiple of the threshold: outside over 1."""
        return _residuals(keys, self._mean, self._directions) / self.description.threshold

    def save(self, folder: Path) -> None:
        """Write the subspace (fp16), then the description that says it is complete."""
        from safetensors.numpy import save

        tensors = {"mean": self._mean, "directions": self._directions}
        narrow = {name: np.ascontiguousarray(t, np.float16) for name, t in tensors.items()}
        with write_atomically(folder / TENSORS) as temporary:
            temporary.write_bytes(save(narrow))
        write_json(folder / DESCRIPTION, write_settings(self.description))


def fit_novelty(
    keys: np.ndarray, held_out: np.ndarray, space: str, config: NoveltyConfig
) -> Novelty:
    """Fit on the keys of known pictures (n, d); the threshold comes from held-out ones (m, d)."""
    if len(keys) < 2 or not len(held_out):
        raise ConfigError(
            f"novelty needs two known pictures and a held-out one, got {len(keys)} and "
            f"{len(held_out)}; give the corpus validation prompts, or set `fallback: null`"
        )
    keys = np.asarray(keys, dtype=np.float64)
    mean = keys.mean(axis=0)
    _, lengths, directions = np.linalg.svd(keys - mean, full_matrices=False)
    share = np.cumsum(lengths**2) / max(float((lengths**2).sum()), 1e-12)
    rank = min(int(np.searchsorted(share, config.explained)) + 1, len(lengths))
    # what is stored is what is measured with
    parts = (mean, directions[:rank].T)
    mean, chosen = (part.astype(np.float16).astype(np.float32) for part in parts)
    residuals = _residuals(held_out, mean, chosen)
    threshold = max(float(np.quantile(residuals, 1.0 - config.false_alarms)), 1e-6)
    described = NoveltyDescription(space, threshold, len(keys), len(held_out), config)
    return Novelty(mean, chosen, described)


def load_novelty(folder: Path, space: str) -> Novelty:
    """Read a detector back; refuses one whose keys come from another encoder."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    origin = str(folder / DESCRIPTION)
    description = read_settings(NoveltyDescription, read_json(folder / DESCRIPTION), origin)
    check_same_space(space, description.space, f"the novelty detector in {folder}", REMEDY)
    try:
        tensors = load_file(folder / TENSORS)
        wide = [tensors[name].astype(np.float32) for name in ("mean", "directions")]
    except (SafetensorError, OSError, KeyError) as error:
        raise DamagedFileError(f"{folder / TENSORS} is broken: {error}. {REMEDY}") from error
    return Novelty(wide[0], wide[1], description)


def _residuals(keys: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    shifted = np.asarray(keys, dtype=np.float32) - mean
    return np.linalg.norm(shifted - (shifted @ directions) @ directions.T, axis=1)
