"""A wanted vector (d_prompt,) -> the nearest known prompts, and a pool of phrases to compose from.

The phrases come from these prompts and from the phrase bank of the corpus. Phrases that the bank
lacks are encoded, so that a corpus of rare phrases can be composed too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from unprompt.index.encoders.protocols import PromptEncoder
from unprompt.index.store.manifest import PROMPT_KEYS
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.threads.shared_property import shared_property
from unprompt.index.vectors.float16 import widen
from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.changes import PhrasePool
from unprompt.inversion.compose.draft import SourcedPhrase, content_words
from unprompt.inversion.compose.phrases import Phrase, PhraseBank, as_entry, split_phrases

SHORT_STARTS = 6  # phrases of the bank that a text may grow from
START_PROMPTS = 24  # known prompts whose phrases are considered
EXHAUSTIVE_ROWS = 200_000  # up to this many rows, all known prompts are compared with the answer
BLOCK = 2048  # rows compared at a time
MAX_ENCODED = 16  # maximum number of phrases per query that are missing from the bank

PhrasesByRow = Mapping[int, tuple[Phrase, ...]]
RarePhrases = Mapping[Phrase, tuple[int, np.ndarray]]  # phrase -> row, vector (d_prompt,)


@dataclass(frozen=True)
class PhraseSource:
    """The known prompts and the phrase bank, searched by vector."""

    index: PromptIndex
    bank: PhraseBank
    encoder: PromptEncoder | None

    @shared_property
    def _places(self) -> dict[Phrase, int]:
        return {phrase: place for place, phrase in enumerate(self.bank.phrases)}

    @shared_property
    def _contents(self) -> list[frozenset[str]]:
        return [frozenset(content_words(phrase.text)) for phrase in self.bank.phrases]

    @shared_property
    def _bank_vectors(self) -> dict[str, np.ndarray]:
        texts = (phrase.text.lower() for phrase in self.bank.phrases)
        return dict(zip(texts, self.bank.vectors, strict=True))

    def near_phrases(self, vector: np.ndarray, neighbors: Sequence[int]) -> PhrasesByRow:
        """The phrases of the nearest known prompts by row, best row first, one row per prompt.

        In a large index only the rows `neighbors` are compared.
        """
        if self.index.manifest.keys == PROMPT_KEYS:
            rows = self.index.search(vector[None], 4 * START_PROMPTS).rows[0]
            rows = rows[rows >= 0]
        elif len(self.index.targets) <= EXHAUSTIVE_ROWS:
            scores = self._scores(vector)
            rows = self._distinct_start(np.argsort(-scores, kind="stable"))
        else:
            known = np.array(sorted(set(neighbors)), dtype=np.int64)
            scores = widen(self.index.targets[known]) @ vector
            rows = known[np.argsort(-scores, kind="stable")]
        nearest = rows[self.index.first_of_prompts(rows)][:START_PROMPTS].tolist()
        prompts = self.index.read_values(nearest, "prompt")["prompt"] if nearest else []
        return {row: split_phrases(prompt) for row, prompt in zip(nearest, prompts, strict=True)}

    def _distinct_start(self, ranked: np.ndarray) -> np.ndarray:
        """The first of the ranked rows (n,) that hold START_PROMPTS prompts, if there are so many.

        A prompt may have any number of renders.
        """
        count = 4 * START_PROMPTS
        while count < len(ranked):
            if len(self.index.first_of_prompts(ranked[:count])) >= START_PROMPTS:
                break
            count *= 4
        return ranked[:count]

    def short_phrases(self, vector: np.ndarray, banned: BanList) -> list[tuple[Phrase, np.ndarray]]:
        """The bank's nearest phrases that can stand alone, with their vectors, best first."""
        order = np.argsort(-(self.bank.vectors @ vector), kind="stable")
        alone = (place for place in order.tolist() if not self.bank.phrases[place].connector)
        allowed = (place for place in alone if not banned.hits(self.bank.phrases[place].text))
        chosen = islice(allowed, SHORT_STARTS)
        return [(self.bank.phrases[place], self.bank.vectors[place]) for place in chosen]

    def _scores(self, vector: np.ndarray) -> np.ndarray:
        """Scores of all targets (n,), one block at a time."""
        targets = self.index.targets
        scores = np.empty(len(targets), dtype=np.float32)
        for start in range(0, len(targets), BLOCK):
            part = slice(start, start + BLOCK)
            scores[part] = widen(targets[part]) @ vector
        return scores

    def encode_rare(self, near: PhrasesByRow, rows: int) -> RarePhrases:
        """Encode phrases of the first `rows` known prompts that the bank lacks."""
        rare: dict[Phrase, int] = {}
        for row, phrase in _entries(dict(list(near.items())[:rows])):
            if phrase not in self._places and len(rare) < MAX_ENCODED:
                rare.setdefault(phrase, row)
        if self.encoder is None or not rare:
            return {}
        vectors = self.encoder.encode([phrase.text for phrase in rare])
        return {
            phrase: (row, vector)
            for (phrase, row), vector in zip(rare.items(), vectors, strict=True)
        }

    def pool(
        self, vector: np.ndarray, near: PhrasesByRow, rare: RarePhrases, banned: BanList
    ) -> PhrasePool:
        """Phrases of the nearest prompts first, then the bank's phrases nearest to the vector."""
        sources: dict[int, int | None] = {}
        for row, phrase in _entries(near):
            place = self._places.get(phrase)
            if place is not None:
                sources.setdefault(place, row)
        scores = self.bank.vectors @ vector
        for place in np.argsort(-scores, kind="stable")[: 2 * START_PROMPTS]:
            sources.setdefault(int(place), None)
        allowed = [place for place in sources if not banned.hits(self.bank.phrases[place].text)]
        phrases = [_sourced(self.bank.phrases[place], sources[place]) for place in allowed]
        contents = [self._contents[place] for place in allowed]
        vectors = [self.bank.vectors[place] for place in allowed]
        for phrase, (row, own) in rare.items():
            if not banned.hits(phrase.text):
                phrases.append(_sourced(phrase, row))
                contents.append(frozenset(content_words(phrase.text)))
                vectors.append(own)
        lengths = np.array([len(sourced.phrase.text.split()) for sourced in phrases], np.float32)
        stacked = np.array(vectors, np.float32).reshape(len(phrases), len(vector))
        return PhrasePool(phrases, contents, lengths, stacked)

    def known_vectors(self, rare: RarePhrases) -> tuple[dict[str, np.ndarray], ...]:
        """Vectors of phrases by their lower-case text, the encoded ones first."""
        return {phrase.text.lower(): own for phrase, (_, own) in rare.items()}, self._bank_vectors


def _entries(near: PhrasesByRow) -> Iterator[tuple[int, Phrase]]:
    for row, phrases in near.items():
        for phrase in phrases:
            yield row, as_entry(phrase)


def _sourced(phrase: Phrase, row: int | None) -> SourcedPhrase:
    return SourcedPhrase(phrase, "corpus" if row is None else "neighbor", row)
