"""A draft and a pool of phrases -> changed drafts with a predicted cosine, from vectors alone.

The vector of a changed text is predicted as own + new phrase - old phrase. Each phrase has a share
that grows with its length. The shares are a least-squares fit to 1,300 changes of scenes prompts;
prediction and truth correlate at 0.87.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unprompt.inversion.compose.draft import (
    Draft,
    SourcedPhrase,
    SourcedPhrases,
    as_first,
    content_words,
)
from unprompt.inversion.compose.phrases import Phrase

NEW_SHARE, NEW_SHARE_BY_LENGTH = 0.30, 0.34  # of the new phrase's vector, per share of the words
OLD_SHARE, OLD_SHARE_BY_LENGTH = 0.32, 0.30


class PhrasePool(NamedTuple):
    """The phrases that a text may use: p phrases with their vectors."""

    phrases: list[SourcedPhrase]
    contents: list[frozenset[str]]  # content words per phrase
    lengths: np.ndarray  # (p,) number of words
    vectors: np.ndarray  # (p, d_prompt)


class Change(NamedTuple):
    """One phrase of a draft replaced, removed (`new` is None) or added at the end."""

    predicted: float  # cosine of the changed text
    draft: Draft
    place: int
    new: SourcedPhrase | None
    keeps_connector: bool = False  # the connector of the old phrase stays

    @property
    def phrases(self) -> SourcedPhrases:
        """The phrases of the changed text."""
        old, place, new = self.draft.phrases, self.place, self.new
        if new is None:
            rest = (*old[:place], *old[place + 1 :])
            return (as_first(rest[0]), *rest[1:])
        if place == len(old):
            joint, connector = " " if new.phrase.connector else ", ", new.phrase.connector
        else:
            joint, connector = old[place].phrase.joint, new.phrase.connector
            if self.keeps_connector:
                connector = old[place].phrase.connector
        phrase = Phrase(joint, connector, new.phrase.body)
        return (*old[:place], SourcedPhrase(phrase, new.source, new.row), *old[place + 1 :])


def propose_changes(
    draft: Draft, wanted: np.ndarray, pool: PhrasePool, known: Mapping[str, np.ndarray]
) -> Iterator[Change]:
    """Yield every replacement, removal and addition of one phrase.

    `known` maps the lower-case text of a phrase to its vector.
    """
    contents = [content_words(sourced.phrase.text) for sourced in draft.phrases]
    length = max(1, len(draft.text.split()))
    for place, sourced in enumerate(draft.phrases):
        others = frozenset(w for n, own in enumerate(contents) if n != place for w in own)
        remaining = draft.vector - _contribution(sourced, length, known, draft.vector)
        old = sourced.phrase.connector
        for predicted, new in _predict(remaining, wanted, pool, length, others):
            if bool(old) == bool(new.phrase.connector):
                yield Change(predicted, draft, place, new)
            if old and old != new.phrase.connector:
                yield Change(predicted, draft, place, new, keeps_connector=True)
        if len(draft.phrases) > 1:
            yield Change(float(_cosines(remaining[None], wanted)[0]), draft, place, None)
    everything = frozenset(word for own in contents for word in own)
    for predicted, new in _predict(draft.vector, wanted, pool, length, everything):
        yield Change(predicted, draft, len(draft.phrases), new)


def _predict(
    remaining: np.ndarray, wanted: np.ndarray, pool: PhrasePool, length: int, taken: frozenset[str]
) -> Iterator[tuple[float, SourcedPhrase]]:
    """The predicted cosine for each phrase of the pool that repeats no content word."""
    shares = NEW_SHARE + NEW_SHARE_BY_LENGTH * pool.lengths / length
    predictions = _cosines(remaining + shares[:, None] * pool.vectors, wanted).tolist()
    for predicted, sourced, content in zip(predictions, pool.phrases, pool.contents, strict=True):
        if content.isdisjoint(taken):
            yield predicted, sourced


def _contribution(
    sourced: SourcedPhrase, length: int, known: Mapping[str, np.ndarray], own: np.ndarray
) -> np.ndarray:
    """What a phrase contributes to the vector of a text of `length` words."""
    text = sourced.phrase.text
    vector = known.get(text.lower())
    share = OLD_SHARE + OLD_SHARE_BY_LENGTH * len(text.split()) / length
    return np.zeros_like(own) if vector is None else share * vector


def _cosines(moved: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cosines of vectors (p, d_prompt) to the wanted vector."""
    return np.asarray((moved @ wanted) / np.maximum(np.linalg.norm(moved, axis=1), 1e-9))
