"""kNN estimate and head estimate (q, d_prompt) -> the blend, with alpha chosen on validation."""

from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.durable import read_json, write_json
from unprompt.index.encoders import to_unit_length
from unprompt.index.errors import ConfigError
from unprompt.index.settings import STRICT, read_settings, write_settings
from unprompt.inversion.knn import KnnConfig


@dataclass(frozen=True, config=STRICT)
class Blend:
    """The tuned settings of a query, and what they scored on validation."""

    alpha: float  # weight of the kNN estimate; the head has 1 - alpha
    knn: KnnConfig
    validation_cosine: float
    validation_queries: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f"blend.alpha must lie between 0 and 1, got {self.alpha}")


def mix(knn: np.ndarray, head: np.ndarray, alpha: float) -> np.ndarray:
    """Both estimates at unit length, weighted alpha to 1 - alpha, at unit length again."""
    return to_unit_length(alpha * to_unit_length(knn) + (1.0 - alpha) * to_unit_length(head))


def mean_cosine(estimates: np.ndarray, truth: np.ndarray) -> float:
    """Mean of the row-wise cosines of two sets of unit vectors (q, d)."""
    return float(np.einsum("qd,qd->q", estimates, np.asarray(truth, dtype=np.float32)).mean())


def choose_alpha(
    knn: np.ndarray, head: np.ndarray, truth: np.ndarray, steps: int = 101
) -> tuple[float, float]:
    """The alpha on an even grid with the best mean cosine to `truth`, and that cosine.

    Estimates (q, d) and truth are of unit length, so that the three cosines between them are all
    that the cosine of a mixture depends on.
    """
    truth = np.asarray(truth, dtype=np.float32)
    pairs = ((knn, truth), (head, truth), (knn, head))
    near_knn, near_head, agree = (np.einsum("qd,qd->q", *pair).astype(np.float64) for pair in pairs)
    grid = np.linspace(0.0, 1.0, steps)[:, None]
    length = np.sqrt(np.maximum(grid**2 + (1 - grid) ** 2 + 2 * grid * (1 - grid) * agree, 1e-12))
    scores = ((grid * near_knn + (1 - grid) * near_head) / length).mean(axis=1)
    best = int(np.argmax(scores))
    return float(grid[best, 0]), float(scores[best])


def save_blend(path: Path, blend: Blend) -> None:
    """Write the blend as JSON."""
    write_json(path, write_settings(blend))


def load_blend(path: Path) -> Blend:
    """Read a blend back; raises DamagedFileError or ConfigError where it is not one."""
    return read_settings(Blend, read_json(path), str(path))
