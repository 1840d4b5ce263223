"""The answer for one picture: vector, prompt, candidates, neighbours, and how far to trust it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from unprompt.inversion.compose.settings import Origin
from unprompt.inversion.metadata.picture_metadata import WrittenPrompt


class Candidate(NamedTuple):
    """A known prompt near the answer."""

    prompt: str
    score: float  # cosine of its vector to the answer
    similarity: float  # cosine of its render to the query picture, in the index' space
    weight: float  # its share of the kNN estimate
    row: int
    row_id: int


@dataclass(frozen=True)
class Inversion:
    """The answer for one picture."""

    prompt: str  # composed, or the best candidate; empty where there is neither
    vector: np.ndarray  # (d_prompt,) unit length: the blend
    knn: np.ndarray  # (d_prompt,) the neighbours' part
    head: np.ndarray  # (d_prompt,) the head's part
    alpha: float  # weight of the neighbours' part
    candidates: tuple[Candidate, ...]  # best score first
    neighbors: tuple[Candidate, ...]  # heaviest first
    expected_cosine: float | None = None  # to the true prompt's vector; None: not calibrated
    outside: bool = False  # unlike anything in the index: the frozen classes answer
    novelty: float | None = None  # over 1 is outside; None: the bundle has no fallback
    phrases: tuple[Origin, ...] = ()  # of a composed prompt, in order
    text_cosine: float | None = None  # of the composed prompt's vector to `vector`
    negative_prompt: str | None = None
    metadata_prompt: WrittenPrompt | None = field(default=None)  # what the file itself says

    def as_json(self) -> dict[str, Any]:
        """All of it with plain JSON values; the parts' own vectors are left out."""
        written = self.metadata_prompt
        return {
            "prompt": self.prompt,
            "metadata_prompt": written and written._asdict(),
            "expected_cosine": self.expected_cosine,
            "outside": self.outside,
            "novelty": self.novelty,
            "phrases": [phrase._asdict() for phrase in self.phrases],
            "text_cosine": self.text_cosine,
            "negative_prompt": self.negative_prompt,
            "candidates": [candidate._asdict() for candidate in self.candidates],
            "neighbors": [neighbor._asdict() for neighbor in self.neighbors],
            "alpha": self.alpha,
            "vector": [round(float(value), 7) for value in self.vector],
        }
