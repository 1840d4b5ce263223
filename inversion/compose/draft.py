"""A text in the making: phrases and their origins, the text's vector (d_prompt,), its cosine.

Here too: what may not stand in a text, banned phrases and words said twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unprompt.inversion.compose.ban_list import BanList
from unprompt.inversion.compose.phrases import Phrase, join_phrases, words

PHRASE_COST = 0.003  # of cosine that a phrase must bring to be worth reading
SMALL_WORDS = frozenset(
    "a an the of in on at by with and or to from as for into is are its his her their next top "
    "front right left behind beside inside under over near between through two three four five "
    "couple pair pairs some style surface middle".split()
)


@dataclass(frozen=True)
class Piece:
    """A phrase and its origin: "neighbor" with the row of the known prompt, or "corpus"."""

    phrase: Phrase
    source: str
    row: int | None


Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class Draft:
    """A text whose vector is known, and its cosine to the vector that is wanted."""

    pieces: Pieces
    vector: np.ndarray
    cosine: float

    @property
    def text(self) -> str:
        """The phrases joined."""
        return join_pieces(self.pieces)

    @property
    def score(self) -> float:
        """Its cosine, less what its phrases cost the reader."""
        return self.cosine - PHRASE_COST * len(self.pieces)


def join_pieces(pieces: Sequence[Piece]) -> str:
    """Pieces -> text."""
    return join_phrases([piece.phrase for piece in pieces])


def content_words(text: str) -> list[str]:
    """The words that must not come twice."""
    return [word for word in words(text) if word not in SMALL_WORDS]


def without_banned(pieces: Pieces, banned: BanList) -> Pieces:
    """Without the phrases that hold a banned term."""
    kept = [piece for piece in pieces if not banned.hits(piece.phrase.text)]
    if kept and len(kept) < len(pieces):
        kept[0] = as_first(kept[0])
    # a term of several words may lie across phrases
    while kept and banned.hits(join_pieces(kept)):
        kept.pop()
    return tuple(kept)


def without_repeats(pieces: Pieces) -> Pieces:
    """Without the phrases that only say again what was said."""
    kept: list[Piece] = []
    seen: set[str] = set()
    for piece in pieces:
        own = content_words(piece.phrase.text)
        if not seen & set(own) and len(own) == len(set(own)):
            kept.append(piece)
            seen |= set(own)
    return tuple(kept)


def as_first(piece: Piece) -> Piece:
    """The piece with nothing before it."""
    return Piece(piece.phrase._replace(joint=""), piece.source, piece.row)
