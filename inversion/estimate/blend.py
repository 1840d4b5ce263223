"""kNN and head estimates (q, d_prompt) of one or more members -> one vector a query.

A member is an encoder with its index and its head. Every estimate is scaled to unit length before
it is weighted, as in the blends of the competition's 1st to 3rd place.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.safe.plain_files import bare_name
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.gate import Gate
from unprompt.inversion.estimate.knn import KnnConfig

MAIN = "main"  # the member whose index supplies candidates and evidence


@dataclass(frozen=True, config=STRICT)
class MemberShare:
    """The weights of one member's estimates among those of all members."""

    name: str
    knn: KnnConfig
    knn_weight: float
    head_weight: float

    def __post_init__(self) -> None:
        bare_name(self.name, "a member of a blend")  # it is the name of a folder


@dataclass(frozen=True, config=STRICT)
class Trial:
    """A variant that tuning tried, and its gain on validation pictures."""

    what: str
    validation_cosine: float  # fitted and measured on the same pictures
    gain: float  # over the previous choice; cross-fitted unless only a grid was searched
    kept: bool


@dataclass(frozen=True, config=STRICT)
class Blend:
    """The tuned settings of a query, and their score on validation."""

    alpha: float  # weight of the kNN estimate; the head's weight is 1 - alpha
    knn: KnnConfig
    validation_cosine: float
    validation_queries: int
    prior: float = 0.0  # weight of the corpus' mean vector, added to both
    gate: Gate | None = None  # computes alpha per query
    alpha_per_dimension: tuple[float, ...] | None = None  # 5th place's variant
    knn_alone: KnnConfig | None = None  # the best settings for kNN without a head
    members: tuple[MemberShare, ...] = ()  # of an ensemble, `main` first
    tried: tuple[Trial, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f"blend.alpha must lie between 0 and 1, got {self.alpha}")
        if self.gate is not None and self.alpha_per_dimension is not None:
            raise ConfigError("a blend has a gate or an alpha per dimension, not both")

    @property
    def shares(self) -> tuple[MemberShare, ...]:
        """All members. A bundle that is not an ensemble has one."""
        return self.members or (MemberShare(MAIN, self.knn, 1.0, 1.0),)

    def with_knn(self, knn: KnnConfig) -> "Blend":
        """A copy with other kNN settings for the main member."""
        members = tuple(
            replace(member, knn=knn) if member.name == MAIN else member for member in self.members
        )
        return replace(self, knn=knn, members=members)

    def with_alpha(self, alpha: float) -> "Blend":
        """A copy with one alpha for every query."""
        return replace(self, alpha=alpha, gate=None, alpha_per_dimension=None)


def mix(
    knn: np.ndarray,
    head: np.ndarray,
    alpha: float | np.ndarray,
    prior: float = 0.0,
    mean: np.ndarray | None = None,
) -> np.ndarray:
    """Blend both estimates (q, d): alpha times kNN plus 1 - alpha times head, at unit length.

    `alpha` is one number, one per query (q,), or one per dimension (1, d). If `mean` (d,), the
    mean vector of the corpus, is given, `prior` times that vector is added.
    """
    shares = np.asarray(alpha, dtype=np.float32)
    shares = shares[:, None] if shares.ndim == 1 else shares
    mixed = shares * to_unit_length(knn) + (1.0 - shares) * to_unit_length(head)
    return to_unit_length(mixed if mean is None else mixed + np.float32(prior) * mean)


def combine(estimates: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted mean of several members' estimates (q, d) of one kind, at unit length."""
    if len(estimates) == 1:
        return to_unit_length(estimates[0])
    parts = [
        weight * to_unit_length(estimate)
        for estimate, weight in zip(estimates, weights, strict=True)
    ]
    return to_unit_length(np.sum(parts, axis=0))


def mean_cosine(
    estimates: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Mean of the row-wise cosines of two sets of unit vectors (q, d).

    `weights` (q,) with the sum 1 weigh the rows; by default all count the same.
    """
    cosines = np.einsum("qd,qd->q", estimates, np.asarray(truth, dtype=np.float32))
    return float(cosines.mean() if weights is None else weights @ cosines.astype(np.float64))


def save_blend(path: Path, blend: Blend) -> None:
    """Write the blend as JSON."""
    write_json(path, write_settings(blend))


def load_blend(path: Path) -> Blend:
    """Read a blend. Raises DamagedFileError or ConfigError if the file holds no blend."""
    return read_settings(Blend, read_json(path), str(path))


def query_alpha(blend: Blend, signals: np.ndarray) -> float | np.ndarray:
    """The alpha for `mix`: one number, one per query (q,), or one per dimension (1, d)."""
    if blend.gate is not None:
        return blend.gate(signals)
    if blend.alpha_per_dimension is not None:
        return np.array(blend.alpha_per_dimension, dtype=np.float32)[None]
    return blend.alpha
