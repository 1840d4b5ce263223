"""A wanted vector (d_prompt,) -> the known prompts nearest to it, and phrases to make texts of.

Phrases come from these prompts and from the corpus' phrase bank. What the bank does not hold is
encoded, so that a corpus of rare phrases can be composed too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.changes import Offer
from unprompt.inversion.compose.draft import Piece, content_words
from unprompt.inversion.compose.phrases import Phrase, PhraseBank, as_entry, split_phrases

STARTS = 24  # known prompts whose phrases are considered
WHOLE_SCAN = 200_000  # up to so many rows all known prompts are compared with the answer
BLOCK = 2048  # rows compared at a time
ENCODED = 16  # phrases a query that the bank does not hold


@dataclass(frozen=True)
class PhraseSource:
    """The known prompts and the phrase bank, searched by vector."""

    index: PromptIndex
    bank: PhraseBank
    encoder: PromptEncoder | None

    @cached_property
    def _places(self) -> dict[Phrase, int]:
        return {phrase: place for place, phrase in enumerate(self.bank.phrases)}

    @cached_property
    def _contents(self) -> list[frozenset[str]]:
        return [frozenset(content_words(phrase.text)) for phrase in self.bank.phrases]

    @cached_property
    def _bank_vectors(self) -> dict[str, np.ndarray]:
        texts = (phrase.text.lower() for phrase in self.bank.phrases)
        return dict(zip(texts, self.bank.vectors, strict=True))

    def phrases(self, row: int) -> tuple[Phrase, ...]:
        """The phrases of a row's prompt."""
        return split_phrases(self.index.read_values([row], "prompt")["prompt"][0])

    def near_rows(self, vector: np.ndarray, neighbors: Sequence[int]) -> list[int]:
        """Rows whose prompts' vectors are nearest, a prompt once.

        In a large index only `neighbors` are looked at.
        """
        if len(self.index.targets) <= WHOLE_SCAN:
            scores = self._scores(vector)
            rows = np.argsort(-scores, kind="stable")[: 4 * STARTS]
        else:
            known = np.array(sorted(set(neighbors)), dtype=np.int64)
            scores = widen(self.index.targets[known]) @ vector
            rows = known[np.argsort(-scores, kind="stable")]
        return [int(row) for row in rows[self.index.first_of_prompts(rows)][:STARTS]]

    def _scores(self, vector: np.ndarray) -> np.ndarray:
        """Of all targets (n,), a block at a time."""
        targets = self.index.targets
        scores = np.empty(len(targets), dtype=np.float32)
        for start in range(0, len(targets), BLOCK):
            part = slice(start, start + BLOCK)
            scores[part] = widen(targets[part]) @ vector
        return scores

    def encode_rare(self, rows: Sequence[int]) -> dict[Phrase, tuple[int, np.ndarray]]:
        """Phrases of the rows' prompts that the bank lacks: phrase -> row, vector."""
        rare: dict[Phrase, int] = {}
        for row, phrase in self._entries(rows):
            if phrase not in self._places and len(rare) < ENCODED:
                rare.setdefault(phrase, row)
        if self.encoder is None or not rare:
            return {}
        vectors = self.encoder.encode([phrase.text for phrase in rare])
        return {
            phrase: (row, vector)
            for (phrase, row), vector in zip(rare.items(), vectors, strict=True)
        }

    def offer(
        self,
        vector: np.ndarray,
        rows: Sequence[int],
        rare: dict[Phrase, tuple[int, np.ndarray]],
        banned: BanList,
    ) -> Offer:
        """Phrases of the nearest prompts first, then the bank's nearest to the vector."""
        sources: dict[int, int | None] = {}
        for row, phrase in self._entries(rows):
            place = self._places.get(phrase)
            if place is not None:
                sources.setdefault(place, row)
        scores = self.bank.vectors @ vector
        for place in np.argsort(-scores, kind="stable")[: 2 * STARTS]:
            sources.setdefault(int(place), None)
        allowed = [place for place in sources if not banned.hits(self.bank.phrases[place].text)]
        pieces = [_piece(self.bank.phrases[place], sources[place]) for place in allowed]
        contents = [self._contents[place] for place in allowed]
        vectors = [self.bank.vectors[place] for place in allowed]
        for phrase, (row, own) in rare.items():
            if not banned.hits(phrase.text):
                pieces.append(_piece(phrase, row))
                contents.append(frozenset(content_words(phrase.text)))
                vectors.append(own)
        lengths = np.array([len(piece.phrase.text.split()) for piece in pieces], np.float32)
        stacked = np.array(vectors, np.float32).reshape(len(pieces), len(vector))
        return Offer(pieces, contents, lengths, stacked)

    def known_vectors(
        self, rare: dict[Phrase, tuple[int, np.ndarray]]
    ) -> tuple[dict[str, np.ndarray], ...]:
        """Vectors of phrases by their text in small letters, the rare ones first."""
        return {phrase.text.lower(): own for phrase, (_, own) in rare.items()}, self._bank_vectors

    def _entries(self, rows: Sequence[int]) -> Iterator[tuple[int, Phrase]]:
        for row in rows:
            for phrase in self.phrases(row):
                yield row, as_entry(phrase)


def _piece(phrase: Phrase, row: int | None) -> Piece:
    return Piece(phrase, "corpus" if row is None else "neighbor", row)
