"""Pictures in, inversions out: the prompt vector, ranked known prompts and the evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from unprompt.index.bundle import BLEND, ENCODER, HEAD, INDEX, read_bundle
from unprompt.index.encoders import ImageEncoder
from unprompt.index.errors import ConfigError
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.runtime import load_encoder
from unprompt.inversion.blend import Blend, load_blend, mix
from unprompt.inversion.head import RegressionHead, load_head
from unprompt.inversion.knn import KnnEstimate, estimate_from_neighbors, find_prompts

STARTER = Path(__file__).parent / "starter"


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

    prompt: str  # the best candidate; empty where an index with lists found no neighbour
    vector: np.ndarray  # (d_prompt,) unit length: the blend
    knn: np.ndarray  # (d_prompt,) the neighbours' part
    head: np.ndarray  # (d_prompt,) the head's part
    alpha: float  # weight of the neighbours' part
    candidates: tuple[Candidate, ...]  # best score first
    neighbors: tuple[Candidate, ...]  # heaviest first


class Estimates(NamedTuple):
    """The prompt vectors (q, d_prompt) of a batch, by method."""

    knn: KnnEstimate
    head: np.ndarray
    blend: np.ndarray


class Inverter:
    """A loaded bundle; `invert` is the whole product in one call."""

    def __init__(
        self, encoder: ImageEncoder, index: PromptIndex, head: RegressionHead, blend: Blend
    ):
        index.check_encoder(encoder.space)
        self.encoder = encoder
        self.index = index
        self.head = head
        self.blend = blend

    @classmethod
    def load(cls, bundle: Path | str | None = None) -> "Inverter":
        """Load a bundle folder, or the starter that ships with the package.

        Raises DamagedFileError for a folder that is not whole and SpaceMismatchError where its
        parts do not belong together.
        """
        folder = STARTER if bundle is None else Path(bundle)
        read_bundle(folder)
        encoder = load_encoder(folder / ENCODER)
        index = PromptIndex.load(folder / INDEX)
        head = load_head(folder / HEAD, encoder.space)
        return cls(encoder, index, head, load_blend(folder / BLEND))

    def invert(self, images: Sequence[Image.Image], candidates: int = 10) -> list[Inversion]:
        """RGB pictures -> one Inversion each, in order."""
        if candidates < 1:
            raise ConfigError(f"candidates must be >= 1, got {candidates}")
        if not images:
            return []
        estimates = self.estimate(self.encoder.encode(images))
        return [self._answer(estimates, query, candidates) for query in range(len(images))]

    def estimate(self, keys: np.ndarray) -> Estimates:
        """Keys (q, d_image) of this encoder -> prompt vectors by every method."""
        config = self.blend.knn
        neighbors = find_prompts(self.index, keys, config.k)
        knn = estimate_from_neighbors(neighbors, self.index.targets, config)
        head = self.head.predict(keys)
        return Estimates(knn, head, mix(knn.vectors, head, self.blend.alpha))

    def _answer(self, estimates: Estimates, query: int, count: int) -> Inversion:
        found = self._candidates(estimates, query)
        ranked = tuple(sorted(found, key=lambda candidate: -candidate.score)[:count])
        return Inversion(
            prompt=ranked[0].prompt if ranked else "",
            vector=estimates.blend[query],
            knn=estimates.knn.vectors[query],
            head=estimates.head[query],
            alpha=self.blend.alpha,
            candidates=ranked,
            neighbors=tuple(sorted(found, key=lambda candidate: -candidate.weight)[:count]),
        )

    def _candidates(self, estimates: Estimates, query: int) -> list[Candidate]:
        neighbors = estimates.knn.neighbors
        places = np.flatnonzero(neighbors.rows[query] >= 0)
        rows = neighbors.rows[query][places]
        targets = np.asarray(self.index.targets[rows], dtype=np.float32)
        scores = targets @ estimates.blend[query]
        table = self.index.rows
        return [
            Candidate(
                prompt=table["prompt"][int(row)],
                score=float(score),
                similarity=float(neighbors.scores[query][place]),
                weight=float(estimates.knn.weights[query][place]),
                row=int(row),
                row_id=int(table["row_id"][int(row)]),
            )
            for place, row, score in zip(places, rows, scores, strict=True)
        ]
