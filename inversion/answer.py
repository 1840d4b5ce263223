"""The result for one picture: vector, prompt, candidates, neighbors and expected cosine."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from unprompt.index.metadata.written import WrittenPrompt
from unprompt.inversion.compose.settings import Origin


class Candidate(NamedTuple):
    """A known prompt of the index, near the answer."""

    prompt: str
    score: float  # cosine of its target vector to the answer's vector
    similarity: float  # cosine of its key to the query's key, in the index's space
    weight: float  # its weight in the kNN estimate; local ridge also gives weights below 0
    row: int  # its row in this generation of the index
    row_id: int  # its permanent 64-bit id


@dataclass(frozen=True)
class Inversion:
    """The result for one picture: vectors of length d_prompt, 384 for all-MiniLM-L6-v2."""

    prompt: str  # composed, or the best candidate; empty if there is neither
    vector: np.ndarray  # (d_prompt,) float32, unit length: the blend of `knn` and `head`
    knn: np.ndarray  # (d_prompt,) the estimate from the neighbors
    head: np.ndarray  # (d_prompt,) the estimate of the regression head
    alpha: float  # weight of `knn` in the blend, from 0 to 1
    candidates: tuple[Candidate, ...]  # highest score first
    neighbors: tuple[Candidate, ...]  # highest weight first
    expected_cosine: float | None = None  # of `vector` to the true prompt's; None: not calibrated
    outside: bool = False  # unlike what the bundle knows: no world expects to beat a constant
    # answer, or, by `novelty`, ImageNet classes are the answer
    world: str | None = None  # that answered; None: the bundle has one world, or a class answered
    blank: bool = False  # nearly all of the picture has one color
    novelty: float | None = None  # above 1 is outside; None: the bundle has no fallback
    phrases: tuple[Origin, ...] = ()  # of a composed prompt, in order, with their origins
    text_cosine: float | None = None  # of the composed prompt's vector to `vector`
    negative_prompt: str | None = None  # None unless the query asks for one
    metadata_prompt: WrittenPrompt | None = None  # the prompt in the file's own metadata

    def as_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, without the vectors `knn` and `head`."""
        written = self.metadata_prompt
        return {
            "prompt": self.prompt,
            "metadata_prompt": written and written.as_json(),
            "expected_cosine": self.expected_cosine,
            "outside": self.outside,
            "world": self.world,
            "blank": self.blank,
            "novelty": self.novelty,
            "phrases": [phrase._asdict() for phrase in self.phrases],
            "text_cosine": self.text_cosine,
            "negative_prompt": self.negative_prompt,
            "candidates": [candidate._asdict() for candidate in self.candidates],
            "neighbors": [neighbor._asdict() for neighbor in self.neighbors],
            "alpha": self.alpha,
            "vector": [round(float(value), 7) for value in self.vector],
        }
