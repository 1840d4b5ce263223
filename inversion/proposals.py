"""A draft and phrases on offer -> changed texts with a guess at their cosine, from vectors alone.

A text's vector after a change is guessed as own + new phrase - old phrase, each phrase with a share
that grows with its length. The shares are a least-squares fit to 1,300 changes of scenes prompts;
guess and truth correlate at 0.87.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unprompt.inversion.phrases import Phrase
from unprompt.inversion.pieces import Draft, Piece, Pieces, as_first, content_words

NEW_SHARE, NEW_SHARE_BY_LENGTH = 0.30, 0.34  # of the new phrase's vector, per share of the words
OLD_SHARE, OLD_SHARE_BY_LENGTH = 0.32, 0.30


class Offer(NamedTuple):
    """The phrases that a text may take up."""

    pieces: list[Piece]
    contents: list[frozenset[str]]  # their words of weight
    lengths: np.ndarray  # (p,) words
    vectors: np.ndarray  # (p, d_prompt)


def propose(
    draft: Draft, wanted: np.ndarray, offer: Offer, known: Mapping[str, np.ndarray]
) -> Iterator[tuple[float, Pieces]]:
    """(guessed cosine, pieces) of every exchange, omission and addition of one phrase.

    `known` holds vectors of phrases by their text in small letters.
    """
    pieces = draft.pieces
    contents = [content_words(piece.phrase.text) for piece in pieces]
    length = max(1, len(draft.text.split()))
    for place, piece in enumerate(pieces):
        others = frozenset(w for n, own in enumerate(contents) if n != place for w in own)
        left = draft.vector - _old(piece, length, known, draft.vector)
        for guess, number in _guesses(left, wanted, offer, length, others):
            other = offer.pieces[number]
            for phrase in _exchanges(piece.phrase, other.phrase):
                changed = Piece(phrase, other.source, other.row)
                yield guess, (*pieces[:place], changed, *pieces[place + 1 :])
        if len(pieces) > 1:
            rest = [*pieces[:place], *pieces[place + 1 :]]
            yield _cosines(left[None], wanted)[0], (as_first(rest[0]), *rest[1:])
    everything = frozenset(word for own in contents for word in own)
    for guess, number in _guesses(draft.vector, wanted, offer, length, everything):
        other = offer.pieces[number]
        phrase = other.phrase._replace(joint=" " if other.phrase.connector else ", ")
        yield guess, (*pieces, Piece(phrase, other.source, other.row))


def _guesses(
    left: np.ndarray, wanted: np.ndarray, offer: Offer, length: int, taken: frozenset[str]
) -> Iterator[tuple[float, int]]:
    """The guess for each phrase on offer that says nothing again."""
    shares = NEW_SHARE + NEW_SHARE_BY_LENGTH * offer.lengths / length
    guesses = _cosines(left + shares[:, None] * offer.vectors, wanted)
    for number, content in enumerate(offer.contents):
        if not content & taken:
            yield float(guesses[number]), number


def _old(piece: Piece, length: int, known: Mapping[str, np.ndarray], own: np.ndarray) -> np.ndarray:
    text = piece.phrase.text
    vector = known.get(text.lower())
    share = OLD_SHARE + OLD_SHARE_BY_LENGTH * len(text.split()) / length
    return np.zeros_like(own) if vector is None else share * vector


def _exchanges(old: Phrase, new: Phrase) -> Iterator[Phrase]:
    """`new` in the place of `old`: with its own connector, or with the old one."""
    if bool(old.connector) == bool(new.connector):
        yield old._replace(connector=new.connector, body=new.body)
    if old.connector != new.connector and old.connector:
        yield old._replace(body=new.body)


def _cosines(moved: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cosines of (p, d_prompt) vectors to the wanted one."""
    return np.asarray((moved @ wanted) / np.maximum(np.linalg.norm(moved, axis=1), 1e-9))
