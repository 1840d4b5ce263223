"""Settings of the pictures that no generator made."""

from pydantic.dataclasses import dataclass

from unprompt.build.kinds.kinds import KINDS
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT


@dataclass(frozen=True, config=STRICT)
class KindsConfig:
    """How many pictures to draw of which kinds."""

    count: int = 200  # pictures of each kind
    seed: int = 0
    kinds: tuple[str, ...] = tuple(KINDS)
    shard_size: int = 500  # pictures per tar

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ConfigError(
                f"unknown kind {unknown[0]!r}; known are {', '.join(KINDS)}"
                if unknown
                else f"name at least one kind of {', '.join(KINDS)}"
            )
        if self.count < 1 or self.shard_size < 1:
            raise ConfigError(f"count and shard_size must be at least 1, got {self}")

    @property
    def pictures(self) -> list[tuple[str, int]]:
        """(kind, number) of every picture; the kinds take turns."""
        return [(kind, number) for number in range(self.count) for kind in self.kinds]
