"""The answer for one picture of a batch -> a row of JSON values, with the vector as base64."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from unprompt.inversion.answer import Candidate, Inversion


@dataclass(frozen=True)
class BatchRecord:
    """The answer for one picture, or the reason why there is none."""

    image: str  # path as the user named it, always printable
    image_id: str  # stem of that path
    inversion: Inversion | None  # None if the picture could not be read
    error_message: str | None = None

    @property
    def status(self) -> str:
        """`success` or `failed`."""
        return "failed" if self.inversion is None else "success"

    def as_row(self) -> dict[str, Any]:
        """The record as JSON values; scores have six decimals, the vector is exact."""
        answer = self.inversion
        row: dict[str, Any] = {
            "image": self.image,
            "image_id": self.image_id,
            "status": self.status,
            "error_message": self.error_message,
            **dict.fromkeys(
                ("prompt", "negative_prompt", "metadata_prompt", "expected_cosine", "outside",
                 "novelty", "score", "alpha")
            ),
            "candidates": [],
            "neighbors": [],
            "vector": None,
        }  # fmt: skip
        if answer is None:
            return row
        written = answer.metadata_prompt
        return row | {
            "prompt": answer.prompt,
            "negative_prompt": answer.negative_prompt,
            "metadata_prompt": written and written.prompt,
            "expected_cosine": _rounded(answer.expected_cosine),
            "outside": answer.outside,
            "novelty": _rounded(answer.novelty),
            "score": answer.candidates[0].score if answer.candidates else None,
            "alpha": answer.alpha,
            "candidates": [_values(c, "score") for c in answer.candidates],
            "neighbors": [_values(n, "similarity", "weight") for n in answer.neighbors],
            "vector": encode_vector(answer.vector),
        }


def encode_vector(vector: np.ndarray) -> str:
    """A vector (d,) as base64 of little-endian float32, without loss."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def decode_vector(text: str) -> np.ndarray:
    """The inverse of `encode_vector`: (d,) float32."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def row_vectors(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[str, np.ndarray]]:
    """(image_id, vector (d,)) of every row that has a vector, in order."""
    for row in rows:
        if row["vector"] is not None:
            yield row["image_id"], decode_vector(row["vector"])


def _values(candidate: Candidate, *scores: str) -> dict[str, Any]:
    rounded = {name: round(getattr(candidate, name), 6) for name in scores}
    return {"prompt": candidate.prompt, **rounded, "row_id": candidate.row_id}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
