"""A draft text: phrases with their origins, its vector (d_prompt,), and its cosine to the target.

This module also removes phrases that a text must not contain: banned ones and repeated words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.phrases import Phrase, join_phrases, words

PHRASE_COST = 0.003  # cosine that a phrase must add to be worth reading
SMALL_WORDS = frozenset(
    "a an the of in on at by with and or to from as for into is are its his her their next top "
    "front right left behind beside inside under over near between through two three four five "
    "couple pair pairs some style surface middle".split()
)


@dataclass(frozen=True)
class SourcedPhrase:
    """A phrase and its origin: "neighbor" with the row of the known prompt, or "corpus"."""

    phrase: Phrase
    source: str
    row: int | None


SourcedPhrases = tuple[SourcedPhrase, ...]


@dataclass(frozen=True)
class Draft:
    """A text whose vector is known, and the cosine of that vector to the wanted one."""

    phrases: SourcedPhrases
    vector: np.ndarray
    cosine: float

    @property
    def text(self) -> str:
        """The joined phrases."""
        return text_of(self.phrases)

    @property
    def score(self) -> float:
        """The cosine, minus a cost per phrase."""
        return self.cosine - PHRASE_COST * len(self.phrases)


def text_of(phrases: Sequence[SourcedPhrase]) -> str:
    """Join phrases to a text."""
    return join_phrases([sourced.phrase for sourced in phrases])


def content_words(text: str) -> list[str]:
    """The words that must not occur twice in a text."""
    return [word for word in words(text) if word not in SMALL_WORDS]


def without_banned(phrases: SourcedPhrases, banned: BanList) -> SourcedPhrases:
    """Drop the phrases that contain a banned term."""
    allowed = [sourced for sourced in phrases if not banned.hits(sourced.phrase.text)]
    if allowed and len(allowed) < len(phrases):
        allowed[0] = as_first(allowed[0])
    # A term of several words can span phrases.
    while allowed and banned.hits(text_of(allowed)):
        allowed.pop()
    return tuple(allowed)


def without_repeats(phrases: SourcedPhrases) -> SourcedPhrases:
    """Drop the phrases that repeat a content word."""
    distinct: list[SourcedPhrase] = []
    seen: set[str] = set()
    for sourced in phrases:
        own = content_words(sourced.phrase.text)
        if not seen & set(own) and len(own) == len(set(own)):
            distinct.append(sourced)
            seen |= set(own)
    return tuple(distinct)


def as_first(sourced: SourcedPhrase) -> SourcedPhrase:
    """The phrase without the joint before it, for the start of a text."""
    return SourcedPhrase(sourced.phrase._replace(joint=""), sourced.source, sourced.row)
