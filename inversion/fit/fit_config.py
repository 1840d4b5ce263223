"""Settings of the fit: what is tried on the validation split."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.inversion.estimate.head import HeadConfig


@dataclass(frozen=True, config=STRICT)
class FitConfig:
    """What is tried on the validation split; the best by mean cosine is kept."""

    head: HeadConfig = Field(default_factory=HeadConfig)
    neighbors: tuple[int, ...] = (10, 20, 50, 100, 200)
    temperatures: tuple[float, ...] = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
    powers: tuple[float, ...] = (6.0,)  # of the inverse-power weighting; empty leaves it out
    penalties: tuple[float, ...] = (0.3, 1.0, 3.0)  # of the local ridge; empty leaves it out
    gate: bool = True  # try an alpha that depends on the query
    per_dimension: bool = False  # try an alpha for every dimension
    phrases: int = 2000  # of the corpus kept for composing prompts; 0 leaves them out
    carry_encoder: bool = False  # the prompt encoder too: composing then needs no torch, 23 MB
    smallest_gain: float = 1e-4  # of prior, gate and alphas on pictures they were not fitted on

    def __post_init__(self) -> None:
        if not self.neighbors or not (self.temperatures or self.powers or self.penalties):
            raise ConfigError("fit needs at least one of neighbors and one weighting to try")
