"""Settings of a world that is fitted on labelled pairs: `unprompt train pairs`."""

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class KernelConfig:
    """A kernel regression from the features of one tower to prompt vectors."""

    components: int = 192  # r, directions of the features with the largest variance
    landmarks: int = 1024  # m, rows at which the kernel is evaluated
    gamma: float = 1.0  # of exp(-gamma * squared distance); features have variance 1 in all
    penalty: float = 2.4  # on the squared norm of the function
    rounds: int = 1  # in which the metric learns from the gradient of the fit; 0: never
    sharpness: float = 0.25  # exponent of the learned metric
    gradients: int = 300  # rows at which the gradient is averaged

    def __post_init__(self) -> None:
        if min(self.components, self.landmarks, self.gradients) < 1 or self.rounds < 0:
            raise ConfigError(
                "kernel.components, landmarks and gradients must be 1 or more and rounds 0 or "
                f"more, got {self}"
            )
        if min(self.gamma, self.penalty, self.sharpness) <= 0:
            raise ConfigError(f"kernel.gamma, penalty and sharpness must be over 0, got {self}")


@dataclass(frozen=True, config=STRICT)
class RowWeights:
    """How much each pair counts.

    A pair weighs 1 / sqrt(pictures of its prompt), times the factor of its source. Sources are then
    brought nearer to each other: a source whose weights sum to s is scaled by s ** -balance.
    """

    balance: float = 0.3  # 0: as they are; 1: all sources weigh the same
    sources: dict[str, float] = Field(default_factory=dict)  # factor by the start of a name
    auxiliary: float = 0.1  # of a pair that only supports the others, such as a made scene

    def __post_init__(self) -> None:
        if not 0 <= self.balance <= 1 or self.auxiliary < 0:
            raise ConfigError(
                f"weights.balance must lie in [0, 1] and auxiliary be 0 or more, got {self}"
            )
        if any(factor <= 0 for factor in self.sources.values()):
            raise ConfigError(f"weights.sources must be positive factors, got {self.sources}")


@dataclass(frozen=True, config=STRICT)
class PairsConfig:
    """A whole fit on labelled pairs."""

    towers: tuple[str, ...] = ("efficientnet-lite2", "efficientnet-lite0")  # the first is main
    classes: str | None = "efficientnet-lite0"  # tower whose ImageNet classes are neighbors too
    kernel: KernelConfig = Field(default_factory=KernelConfig)
    weights: RowWeights = Field(default_factory=RowWeights)
    near: float = 0.8  # MiniLM cosine to a left-out prompt from which a pair may not train
    smallest_source: int = 40  # pictures; smaller sources always train
    extra_pictures: int = 4000  # that a folder of supporting pairs contributes, chosen by a hash
    tuned_rows: int = 150  # pictures per source that tune the blend and the confidence
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.towers or len(set(self.towers)) != len(self.towers):
            raise ConfigError(f"towers must be different offline towers, got {self.towers}")
        if self.classes is not None and self.classes not in self.towers:
            raise ConfigError(
                f"classes must be one of the towers {', '.join(self.towers)} or null, got "
                f"{self.classes!r}"
            )
