"""A prompt vector (d_prompt,) -> a readable prompt whose own vector is as near as possible.

The search starts from the known prompts and the phrases with the nearest vectors. It then replaces,
removes and adds phrases: a beam search in which phrase vectors propose changes and the prompt
encoder decides.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.changes import PhrasePool, propose_changes
from unprompt.inversion.compose.draft import (
    Draft,
    SourcedPhrase,
    SourcedPhrases,
    text_of,
    without_banned,
    without_repeats,
)
from unprompt.inversion.compose.phrase_source import PhrasesByRow, PhraseSource
from unprompt.inversion.compose.phrases import PhraseBank
from unprompt.inversion.compose.settings import DEFAULT, ComposeConfig, Composition, Origin

MIN_GAIN = 1e-4  # cosine that a round must gain for the search to continue
NEGATIVE_COSINE = 0.6  # phrases of a negative prompt stay under this cosine to each other


class _Task(NamedTuple):
    """One vector to find a text for."""

    wanted: np.ndarray
    config: ComposeConfig
    banned: BanList


class Composer:
    """Everything that composing needs, loaded once: known prompts, phrase bank, prompt encoder.

    `fits` tells whether a text has at most so many tokens. Without an encoder the answer is the
    nearest known prompt that is allowed.
    """

    def __init__(
        self,
        index: PromptIndex,
        bank: PhraseBank,
        encoder: PromptEncoder | None,
        fits: Callable[[str, int], bool],
    ):
        self._source = PhraseSource(index, bank, encoder)
        self._fits_model = fits

    @property
    def encoder(self) -> PromptEncoder | None:
        """The prompt encoder, or None."""
        return self._source.encoder

    def compose(
        self,
        vector: np.ndarray,
        neighbors: Sequence[int] = (),
        config: ComposeConfig = DEFAULT,
    ) -> Composition:
        """Compose a text for a unit vector (d_prompt,).

        `neighbors` are rows whose prompts are considered in an index that is too large to compare
        all prompts. The result is deterministic. The text is empty if the ban list leaves no
        phrase.
        """
        task = _Task(vector, config, config.banned)
        near = self._source.near_phrases(vector, neighbors)
        beam = self._start(task, near)
        if self.encoder is not None and beam and config.rounds:
            rare = self._source.encode_rare(near, config.beam)
            pool = self._source.pool(vector, near, rare, task.banned)
            known = ChainMap(*self._source.known_vectors(rare))
            for _ in range(config.rounds):
                better = self._improve(task, beam, pool, known)
                if better[0].score <= beam[0].score + MIN_GAIN:
                    break
                beam = better
        return self._finish(beam[0] if beam else None, config)

    def negative(self, vector: np.ndarray, config: ComposeConfig, count: int = 8) -> str:
        """Compose a negative prompt: frequent phrases of the corpus with the lowest cosine."""
        bank, banned = self._source.bank, config.banned
        scores = bank.vectors @ vector
        chosen: list[int] = []
        for place in np.argsort(scores, kind="stable"):
            cosines = bank.vectors[chosen] @ bank.vectors[place]
            if (cosines < NEGATIVE_COSINE).all() and not banned.hits(bank.phrases[place].text):
                chosen.append(int(place))
            if len(chosen) == count:
                break
        return ", ".join(bank.phrases[place].text for place in chosen)

    def _start(self, task: _Task, near: PhrasesByRow) -> list[Draft]:
        """The nearest known prompts, without banned phrases and cut to length; short phrases."""
        unchanged: list[Draft] = []
        changed: list[SourcedPhrases] = []
        for row, phrases in near.items():
            sourced = tuple(SourcedPhrase(phrase, "neighbor", row) for phrase in phrases)
            allowed = without_repeats(without_banned(sourced, task.banned))
            allowed = self._shorten(allowed, task.config)
            if not allowed:
                continue
            if allowed == sourced:
                target = widen(self._source.index.targets[row])
                unchanged.append(Draft(sourced, target, float(target @ task.wanted)))
            else:
                changed.append(allowed)
        if len(unchanged) < task.config.beam and changed:
            unchanged += self._encode(task, changed[: task.config.tried])
        if self.encoder is not None:
            unchanged += self._short(task)
        return sorted(unchanged, key=lambda draft: -draft.score)[: task.config.beam]

    def _short(self, task: _Task) -> list[Draft]:
        """Single phrases of the bank: to a vague vector they are nearer than most prompts."""
        drafts: list[Draft] = []
        for phrase, own in self._source.short_phrases(task.wanted, task.banned):
            sourced = (SourcedPhrase(phrase, "corpus", None),)
            if self._fits(sourced, task.config):
                drafts.append(Draft(sourced, own, float(own @ task.wanted)))
        return drafts

    def _improve(
        self, task: _Task, beam: list[Draft], pool: PhrasePool, known: Mapping[str, np.ndarray]
    ) -> list[Draft]:
        """One round: the best drafts among the beam and its most promising changes."""
        changes = [
            change for draft in beam for change in propose_changes(draft, task.wanted, pool, known)
        ]
        changes.sort(key=lambda change: -change.predicted)
        seen = {draft.text.lower() for draft in beam}
        chosen: list[SourcedPhrases] = []
        for change in changes:
            phrases = change.phrases
            text = text_of(phrases)
            if text.lower() in seen:
                continue
            seen.add(text.lower())
            if not task.banned.hits(text) and self._fits(phrases, task.config):
                chosen.append(phrases)
            if len(chosen) == task.config.tried:
                break
        joined = beam + (self._encode(task, chosen) if chosen else [])
        return sorted(joined, key=lambda draft: -draft.score)[: task.config.beam]

    def _encode(self, task: _Task, texts: Sequence[SourcedPhrases]) -> list[Draft]:
        """Drafts with their vectors; without an encoder the vectors are unknown."""
        if self.encoder is None:
            return [Draft(phrases, task.wanted, -1.0) for phrases in texts]
        vectors = self.encoder.encode([text_of(phrases) for phrases in texts])
        return [
            Draft(phrases, own, float(own @ task.wanted))
            for phrases, own in zip(texts, vectors, strict=True)
        ]

    def _fits(self, phrases: SourcedPhrases, config: ComposeConfig) -> bool:
        return self._fits_model(config.around(text_of(phrases)), config.max_tokens)

    def _shorten(self, phrases: SourcedPhrases, config: ComposeConfig) -> SourcedPhrases:
        """Drop phrases from the end until the text fits."""
        while phrases and not self._fits(phrases, config):
            phrases = phrases[:-1]
        return phrases

    def _finish(self, best: Draft | None, config: ComposeConfig) -> Composition:
        """The text and its phrases with their origins."""
        if best is None:
            return Composition("", None, ())
        rows = sorted({sourced.row for sourced in best.phrases if sourced.row is not None})
        known = self._source.index.read_values(rows, "prompt", "row_id") if rows else {}
        origin = dict(zip(rows, zip(*known.values(), strict=True), strict=True)) if rows else {}
        origins = []
        if config.prefix:
            origins.append(Origin(f"{config.prefix}, ", "given", None, None))
        for place, sourced in enumerate(best.phrases):
            joint = (sourced.phrase.joint or " ") if place else ""
            prompt, row_id = (None, None) if sourced.row is None else origin[sourced.row]
            origins.append(Origin(joint + sourced.phrase.text, sourced.source, prompt, row_id))
        if config.suffix:
            origins.append(Origin(f", {config.suffix}", "given", None, None))
        cosine = None if config.prefix or config.suffix or best.cosine < 0 else best.cosine
        return Composition(config.around(best.text), cosine, tuple(origins))
