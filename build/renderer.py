"""What every text-to-image renderer offers: (prompts, seeds) -> images, uint8 (h, w, 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """One prompt's picture, or why there is none."""

    picture: np.ndarray | None  # RGB uint8 (h, w, 3)
    error: str | None = None  # names the prompt
    facts: Mapping[str, object] = field(default_factory=dict)  # true of this picture alone


class Renderer(Protocol):
    """Draws prompts; the same (prompt, seed) gives the same image whatever the batch."""

    @property
    def generator(self) -> str:
        """Name and version, written into the images table."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Everything but prompt and seed that decides the picture, JSON-serialisable."""

    @property
    def batch_size(self) -> int:
        """How many prompts it draws at once; it may shrink where memory is short."""

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One answer a prompt, in order; a prompt that it cannot draw does not stop the others."""
