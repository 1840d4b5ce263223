"""Pictures in, inversions out: the prompt vector, a prompt to read, candidates and the evidence."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from unprompt.index.base.blas_threads import one_blas_thread
from unprompt.index.base.errors import ConfigError
from unprompt.index.bundle.bundle import BLEND, CONFIDENCE, PHRASES, read_bundle
from unprompt.index.encoders.protocols import ImageEncoder
from unprompt.index.exported.export import OpenVinoEncoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.answer import Inversion
from unprompt.inversion.compose.beam_search import Composer
from unprompt.inversion.compose.phrases import load_bank
from unprompt.inversion.compose.prompt_encoder import load_matching_encoder
from unprompt.inversion.compose.settings import ComposeConfig
from unprompt.inversion.estimate.blend import Blend, load_blend
from unprompt.inversion.estimate.candidates import heaviest, read_candidates
from unprompt.inversion.estimate.confidence import Confidence, load_confidence
from unprompt.inversion.estimate.fallback import Fallback, Screening, load_fallback
from unprompt.inversion.estimate.head import RegressionHead
from unprompt.inversion.estimate.member import Estimates, Member, estimate_prompts, load_members

FEW = 4  # pictures whose matrices are too small for several threads
STARTER = Path(__file__).parent / "starter"


@dataclass(frozen=True)
class Query:
    """What a user asks of every picture; None leaves a choice to what was tuned."""

    candidates: int = 10
    compose: bool = True
    negative: bool = False
    metadata: bool = True  # report the prompt that the file itself holds
    blend: Blend | None = None
    words: ComposeConfig = ComposeConfig()

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigError(f"candidates must be >= 1, got {self.candidates}")


class Inverter:
    """A loaded bundle; `invert` is the whole product in one call."""

    def __init__(
        self,
        members: Sequence[Member],
        blend: Blend,
        confidence: Confidence | None = None,
        fallback: Fallback | None = None,
        folder: Path | None = None,
        threads: int | None = None,
        sparing: bool = False,
    ):
        self.members = tuple(members)
        self.blend = blend
        self.confidence = confidence
        self.fallback = fallback
        self._folder = folder
        self._threads = threads
        self._sparing = sparing
        self._composer: Future[Composer | None] | None = None
        self._beginning = Lock()

    @property
    def index(self) -> PromptIndex:
        """The index that gives candidates and evidence."""
        return self.members[0].index

    @property
    def encoder(self) -> ImageEncoder:
        """The tower of that index."""
        return self.members[0].encoder

    @property
    def head(self) -> RegressionHead:
        """The head of that tower."""
        return self.members[0].head

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        threads: int | None = None,
        sparing: bool = False,
    ) -> "Inverter":
        """Load a bundle folder, or the starter that ships with the package.

        `threads` limits the towers that run in OpenVINO; they take every core otherwise. `sparing`
        frees a tower once it has done its part of a call: less memory, but a slower next call.
        Raises DamagedFileError for a folder that is not whole and SpaceMismatchError where its
        parts do not belong together.
        """
        folder = STARTER if bundle is None else Path(bundle)
        read_bundle(folder)
        blend = load_blend(folder / BLEND)
        trust = folder / CONFIDENCE
        towers = ThreadPoolExecutor(1)  # one after the other, while the rest is loaded
        try:
            fallback = load_fallback(folder, threads, towers)
            return cls(
                load_members(folder, blend, threads, towers),
                blend,
                load_confidence(trust) if trust.is_file() else None,
                fallback,
                folder,
                threads,
                sparing,
            )
        finally:
            towers.shutdown(wait=False)

    @property
    def composer(self) -> Composer | None:
        """Turns vectors into prompts, loaded when first asked for; None without phrases."""
        return self._begin_composer().result()

    def _begin_composer(self) -> Future[Composer | None]:
        """Load it in another thread, to have it when the towers are done."""
        with self._beginning:
            if self._composer is None:
                pool = ThreadPoolExecutor(1)
                self._composer = pool.submit(self._load_composer)
                pool.shutdown(wait=False)
            return self._composer

    def _load_composer(self) -> Composer | None:
        if self._folder is None or not (self._folder / PHRASES).is_dir():
            return None
        from unprompt.index.towers.clip_tokens import fits_clip

        target_space = self.index.manifest.target_space
        encoder = load_matching_encoder(target_space, self._threads, self._folder)
        return Composer(self.index, load_bank(self._folder / PHRASES), encoder, fits_clip)

    def invert(self, images: Sequence[Image.Image], query: Query = Query()) -> list[Inversion]:
        """RGB pictures -> one Inversion each, in order."""
        with one_blas_thread(len(images) <= FEW):
            return self._invert(images, query) if images else []

    def _invert(self, images: Sequence[Image.Image], query: Query) -> list[Inversion]:
        screening = None
        if self.fallback is not None:
            screening = self.fallback.screen(self._encode(self.fallback.encoder, images))
        if query.compose and (screening is None or screening.novelty.min() <= 1.0):
            self._begin_composer()
        keys = [self._encode(member.encoder, images) for member in self.members]
        estimates = self.estimate(keys, query.blend)
        expected = None
        if self.confidence is not None:
            expected = self.confidence(estimates.signals)
        answers = []
        for place in range(len(images)):
            answer = self._answer(estimates, place, query)
            if expected is not None:
                answer = replace(answer, expected_cosine=float(expected[place]))
            answers.append(self._judge(answer, screening, place, query))
        return answers

    def use_gpus(self) -> None:
        """Search every index whole on the GPUs that FAISS sees; raises ConfigError without."""
        for member in self.members:
            member.index.use_gpus()

    def estimate(self, keys: Sequence[np.ndarray], blend: Blend | None = None) -> Estimates:
        """Keys (q, d_image) of every member's encoder -> prompt vectors by every method."""
        parts = [(member.index, member.head) for member in self.members]
        return estimate_prompts(parts, keys, blend or self.blend)

    def _encode(self, encoder: ImageEncoder, images: Sequence[Image.Image]) -> np.ndarray:
        keys = encoder.encode(images)
        if self._sparing and isinstance(encoder, OpenVinoEncoder):
            encoder.release()
        return keys

    def _answer(self, estimates: Estimates, place: int, query: Query) -> Inversion:
        vector = estimates.blend[place]
        found = read_candidates(self.index, estimates.knn, place, vector)
        ranked = tuple(sorted(found, key=lambda candidate: -candidate.score))
        answer = Inversion(
            prompt=ranked[0].prompt if ranked else "",
            vector=vector,
            knn=estimates.knn_vectors[place],
            head=estimates.head[place],
            alpha=float(estimates.alpha[place]),
            candidates=ranked[: query.candidates],
            neighbors=heaviest(found, query.candidates),
        )
        return answer

    def _judge(
        self, answer: Inversion, screening: Screening | None, place: int, query: Query
    ) -> Inversion:
        """The answer with its words; or the classes', where the picture is unlike the corpus."""
        if screening is not None:
            answer = replace(answer, novelty=float(screening.novelty[place]))
            if screening.novelty[place] > 1.0:
                return self._classes(answer, screening.keys[place : place + 1], query)
        if query.compose and self.composer is not None:
            rows = [candidate.row for candidate in answer.candidates]
            made = self.composer.compose(answer.vector, rows, query.words)
            answer = replace(
                answer, prompt=made.text, phrases=made.phrases, text_cosine=made.cosine
            )
        if query.negative and self.composer is not None:
            negative = self.composer.negative(answer.vector, query.words)
            answer = replace(answer, negative_prompt=negative)
        return answer

    def _classes(self, answer: Inversion, keys: np.ndarray, query: Query) -> Inversion:
        if self.fallback is None:
            return answer
        classes = self.fallback.classify(keys)
        found = read_candidates(self.fallback.classes, classes, 0, classes.vectors[0])
        by_weight = heaviest(found, query.candidates)
        banned = query.words.banned
        allowed = [candidate for candidate in by_weight if not banned.hits(candidate.prompt)]
        return replace(
            answer,
            prompt=allowed[0].prompt if allowed else "",
            vector=classes.vectors[0],
            alpha=1.0,
            knn=classes.vectors[0],
            candidates=by_weight,
            neighbors=by_weight,
            expected_cosine=None,  # nothing to calibrate it on
            outside=True,
        )
