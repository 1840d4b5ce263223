"""What every text-to-image renderer offers: (prompts, seeds) -> images, uint8 (h, w, 3)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np


class Renderer(Protocol):
    """Draws prompts; the same (prompt, seed) gives the same image whatever the batch."""

    @property
    def generator(self) -> str:
        """Name and version, written into the images table."""

    @property
    def settings(self) -> Mapping[str, object]:
        """Everything but prompt and seed that decides the picture, JSON-serialisable."""

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        """One RGB uint8 array (h, w, 3) a prompt; raises PromptError for one it cannot draw."""
