"""The answer for one picture of a batch -> a row of JSON values, with the vector as base64."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from unprompt.index.metadata.written import WrittenPrompt
from unprompt.index.texts.visible import whole_values
from unprompt.inversion.answer import Candidate, Inversion

ANSWER_COLUMNS = (
    "prompt", "negative_prompt", "metadata_prompt", "expected_cosine", "outside", "world",
    "blank", "novelty", "score", "alpha", "metadata", "candidates", "neighbors", "vector",
)  # fmt: skip


@dataclass(frozen=True)
class BatchRecord:
    """The answer for one picture, or the reason why there is none."""

    image: str  # path as the user named it, always printable
    image_id: str  # stem of that path; empty for a folder or file of pictures
    inversion: Inversion | None  # None if the picture could not be read
    error_message: str | None = None

    @property
    def status(self) -> str:
        """`success` or `failed`."""
        return "failed" if self.inversion is None else "success"

    def as_row(self) -> dict[str, Any]:
        """The record as JSON values; scores have six decimals, the vector is exact.

        Lone surrogates, which no format of files takes, are replaced.
        """
        found: dict[str, Any] = whole_values(self._row())
        return found

    def _row(self) -> dict[str, Any]:
        row = {
            name: getattr(self, name) for name in ("image", "image_id", "status", "error_message")
        }
        answer = self.inversion
        if answer is None:
            return row | dict.fromkeys(ANSWER_COLUMNS) | {"candidates": [], "neighbors": []}
        written = answer.metadata_prompt
        best = answer.candidates[0].score if answer.candidates else None
        values = (
            answer.prompt, answer.negative_prompt, written and written.prompt,
            _rounded(answer.expected_cosine), answer.outside, answer.world,
            answer.blank, _rounded(answer.novelty), best, answer.alpha,
            written and _settings(written),
            [_values(c, "score") for c in answer.candidates],
            [_values(n, "similarity", "weight") for n in answer.neighbors],
            encode_vector(answer.vector),
        )  # fmt: skip
        return row | dict(zip(ANSWER_COLUMNS, values, strict=True))


def _settings(written: WrittenPrompt) -> dict[str, Any]:
    """What the file says beside its prompt, which has a column of its own."""
    return {name: value for name, value in written.as_json().items() if name != "prompt"}


def encode_vector(vector: np.ndarray) -> str:
    """A vector (d,) as base64 of little-endian float32, without loss."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def decode_vector(text: str) -> np.ndarray:
    """The inverse of `encode_vector`: (d,) float32."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def row_vectors(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[str, np.ndarray | None]]:
    """(image_id, vector (d,)) of every picture, in order; None for one that cannot be read.

    A folder or file of pictures that cannot be read has no id, and is left out.
    """
    for row in rows:
        if row["image_id"]:
            vector = row["vector"]
            yield row["image_id"], None if vector is None else decode_vector(vector)


def _values(candidate: Candidate, *scores: str) -> dict[str, Any]:
    rounded = {name: round(getattr(candidate, name), 6) for name in scores}
    return {"prompt": candidate.prompt, **rounded, "row_id": candidate.row_id}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
