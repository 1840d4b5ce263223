"""The protocol of a renderer: (prompts, seeds) -> pictures, uint8 (h, w, 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """The picture of one prompt, or the reason why there is none."""

    picture: np.ndarray | None  # RGB uint8 (h, w, 3)
    error: str | None = None  # names the prompt
    facts: Mapping[str, object] = field(default_factory=dict)  # recorded for this picture only


class Renderer(Protocol):
    """Draws prompts; a (prompt, seed) gives the same picture in every batch."""

    @property
    def generator(self) -> str:
        """Name and version for the images table."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Everything that decides the picture besides prompt and seed, as JSON values."""

    @property
    def batch_size(self) -> int:
        """Number of prompts per batch; it can shrink where memory runs out."""

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One result per prompt, in order; one that cannot be drawn does not stop the others."""
