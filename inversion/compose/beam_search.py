"""A prompt vector (d_prompt,) -> a prompt to read, its own vector as close to it as can be found.

Starts from the known prompts whose vectors are nearest, then exchanges, drops and adds phrases: a
beam search in which phrase vectors propose and the prompt encoder decides.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.changes import Offer, propose
from unprompt.inversion.compose.draft import (
    Draft,
    Piece,
    Pieces,
    join_pieces,
    without_banned,
    without_repeats,
)
from unprompt.inversion.compose.phrase_source import PhraseSource
from unprompt.inversion.compose.phrases import PhraseBank
from unprompt.inversion.compose.settings import DEFAULT, ComposeConfig, Composition, Origin

LEAST_GAIN = 1e-4  # of a round, in cosine, to go on


class _Task(NamedTuple):
    """One vector to find a text for."""

    wanted: np.ndarray
    config: ComposeConfig
    banned: BanList


class Composer:
    """What composing needs, loaded once: the known prompts, the phrase bank, the prompt encoder.

    Without an encoder the nearest known prompt that is allowed is the answer.
    """

    def __init__(
        self,
        index: PromptIndex,
        bank: PhraseBank,
        encoder: PromptEncoder | None,
        fits: Callable[[str, int], bool],
    ):
        self._source = PhraseSource(index, bank, encoder)
        self._fits_model = fits  # whether a text has at most so many tokens

    @property
    def encoder(self) -> PromptEncoder | None:
        """The prompt encoder, where there is one."""
        return self._source.encoder

    def compose(
        self,
        vector: np.ndarray,
        neighbors: Sequence[int] = (),
        config: ComposeConfig = DEFAULT,
    ) -> Composition:
        """Text for a unit vector (d_prompt,); `neighbors` are rows whose prompts are considered.

        Deterministic. The text is empty where the ban list leaves no phrase.
        """
        task = _Task(vector, config, config.banned)
        rows = self._source.near_rows(vector, neighbors)
        beam = self._start(task, rows)
        if self.encoder is not None and beam and config.rounds:
            rare = self._source.encode_rare(rows[: config.beam])
            offer = self._source.offer(vector, rows, rare, task.banned)
            known = ChainMap(*self._source.known_vectors(rare))
            for _ in range(config.rounds):
                better = self._improve(task, beam, offer, known)
                if better[0].score <= beam[0].score + LEAST_GAIN:
                    break
                beam = better
        return self._finish(beam[0] if beam else None, config)

    def negative(self, vector: np.ndarray, config: ComposeConfig, count: int = 8) -> str:
        """A negative prompt: frequent phrases of the corpus that point away from the vector."""
        bank, banned = self._source.bank, config.banned
        scores = bank.vectors @ vector
        chosen: list[int] = []
        for place in np.argsort(scores, kind="stable"):
            apart = all(bank.vectors[place] @ bank.vectors[other] < 0.6 for other in chosen)
            if apart and not banned.hits(bank.phrases[place].text):
                chosen.append(int(place))
            if len(chosen) == count:
                break
        return ", ".join(bank.phrases[place].text for place in chosen)

    def _start(self, task: _Task, rows: Sequence[int]) -> list[Draft]:
        """The nearest known prompts as they are, without what is banned, cut to length."""
        whole: list[Draft] = []
        changed: list[Pieces] = []
        for row in rows:
            pieces = tuple(Piece(phrase, "neighbor", row) for phrase in self._source.phrases(row))
            allowed = without_repeats(without_banned(pieces, task.banned))
            allowed = self._shorten(allowed, task.config)
            if not allowed:
                continue
            if allowed == pieces:
                target = widen(self._source.index.targets[row])
                whole.append(Draft(pieces, target, float(target @ task.wanted)))
            else:
                changed.append(allowed)
        if len(whole) < task.config.beam and changed:
            whole += self._evaluate(task, changed[: task.config.tried])
        return sorted(whole, key=lambda draft: -draft.score)[: task.config.beam]

    def _improve(
        self, task: _Task, beam: list[Draft], offer: Offer, known: Mapping[str, np.ndarray]
    ) -> list[Draft]:
        changes = [found for draft in beam for found in propose(draft, task.wanted, offer, known)]
        changes.sort(key=lambda change: -change.guess)
        seen = {draft.text.lower() for draft in beam}
        chosen: list[Pieces] = []
        for change in changes:
            pieces = change.pieces
            text = join_pieces(pieces)
            if text.lower() in seen:
                continue
            seen.add(text.lower())
            if not task.banned.hits(text) and self._fits(pieces, task.config):
                chosen.append(pieces)
            if len(chosen) == task.config.tried:
                break
        joined = beam + (self._evaluate(task, chosen) if chosen else [])
        return sorted(joined, key=lambda draft: -draft.score)[: task.config.beam]

    def _evaluate(self, task: _Task, texts: Sequence[Pieces]) -> list[Draft]:
        if self.encoder is None:
            return [Draft(pieces, task.wanted, -1.0) for pieces in texts]
        vectors = self.encoder.encode([join_pieces(pieces) for pieces in texts])
        return [
            Draft(pieces, own, float(own @ task.wanted))
            for pieces, own in zip(texts, vectors, strict=True)
        ]

    def _fits(self, pieces: Pieces, config: ComposeConfig) -> bool:
        return self._fits_model(config.around(join_pieces(pieces)), config.max_tokens)

    def _shorten(self, pieces: Pieces, config: ComposeConfig) -> Pieces:
        """Without the last phrases that are too many."""
        while pieces and not self._fits(pieces, config):
            pieces = pieces[:-1]
        return pieces

    def _origin(self, row: int | None) -> tuple[str | None, int | None]:
        """The prompt that a piece was taken from and its row's id."""
        if row is None:
            return None, None
        there = self._source.index.read_values([row], "prompt", "row_id")
        return there["prompt"][0], there["row_id"][0]

    def _finish(self, best: Draft | None, config: ComposeConfig) -> Composition:
        if best is None:
            return Composition("", None, ())
        origins = []
        if config.prefix:
            origins.append(Origin(f"{config.prefix}, ", "given", None, None))
        for place, piece in enumerate(best.pieces):
            joint = (piece.phrase.joint or " ") if place else ""
            prompt, row_id = self._origin(piece.row)
            origins.append(Origin(joint + piece.phrase.text, piece.source, prompt, row_id))
        if config.suffix:
            origins.append(Origin(f", {config.suffix}", "given", None, None))
        cosine = None if config.prefix or config.suffix or best.cosine < 0 else best.cosine
        return Composition(config.around(best.text), cosine, tuple(origins))
