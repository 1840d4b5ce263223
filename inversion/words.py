"""A prompt vector (d_prompt,) -> a prompt to read, its own vector as close to it as can be found.

Starts from the known prompts whose vectors are nearest, then exchanges, drops and adds phrases: a
beam search in which phrase vectors propose and the prompt encoder decides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as settings_class

from unprompt.index.encoders import PromptEncoder
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.settings import STRICT
from unprompt.inversion.ban import BanList
from unprompt.inversion.phrases import (
    Phrase,
    PhraseBank,
    as_entry,
    join_phrases,
    split_phrases,
    words,
)

STARTS = 24  # known prompts whose phrases are considered
WHOLE_SCAN = 200_000  # up to so many rows all known prompts are compared with the answer
PHRASE_COST = 0.003  # of cosine that a phrase must bring to be worth reading
PHRASE_SHARE = 0.5  # of a phrase's own vector in the proposal's guess at the new text's vector
SMALL_WORDS = frozenset(
    "a an the of in on at by with and or to from as for into is are its his her their next top "
    "front right left behind beside inside under over near between through two three four five "
    "couple pair pairs some style surface middle".split()
)


@settings_class(frozen=True, config=STRICT)
class ComposeConfig:
    """How long the text may be, what must not be in it, and how hard to search."""

    max_tokens: int = Field(default=77, ge=1)  # of the target model's tokenizer, start and end too
    ban: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    beam: int = Field(default=3, ge=1)
    rounds: int = Field(default=3, ge=0)
    tried: int = Field(default=16, ge=1)  # texts a round that the prompt encoder looks at

    @property
    def banned(self) -> BanList:
        """What must not be in it, ready to search with."""
        return BanList(self.ban)


DEFAULT = ComposeConfig()


class Origin(NamedTuple):
    """A phrase of the text and where it comes from."""

    text: str  # with the joint before it: the phrases in order are the text
    source: str  # "neighbor", "corpus" or "given"
    prompt: str | None  # the known prompt it was taken from
    row_id: int | None


class Composition(NamedTuple):
    """The text, how close its vector is to the one wanted, and its phrases."""

    text: str
    cosine: float | None  # None where nothing could be composed, or with words given around it
    phrases: tuple[Origin, ...]


@dataclass(frozen=True)
class _Piece:
    phrase: Phrase
    source: str
    row: int | None


@dataclass(frozen=True)
class _Text:
    pieces: tuple[_Piece, ...]
    vector: np.ndarray
    cosine: float

    @property
    def text(self) -> str:
        return join_phrases([piece.phrase for piece in self.pieces])

    @property
    def score(self) -> float:
        return self.cosine - PHRASE_COST * len(self.pieces)


class Composer:
    """What composing needs, loaded once: the known prompts, the phrase bank, the prompt encoder.

    Without an encoder the nearest known prompt that is allowed is the answer.
    """

    def __init__(
        self,
        index: PromptIndex,
        bank: PhraseBank,
        encoder: PromptEncoder | None,
        count_tokens: Callable[[str], int],
    ):
        self._index = index
        self._bank = bank
        self._encoder = encoder
        self._count_tokens = count_tokens
        self._bank_words = [frozenset(_content(phrase.text)) for phrase in bank.phrases]

    @property
    def encoder(self) -> PromptEncoder | None:
        """The prompt encoder, where there is one."""
        return self._encoder

    def compose(
        self,
        vector: np.ndarray,
        neighbors: Sequence[int] = (),
        config: ComposeConfig = DEFAULT,
    ) -> Composition:
        """Text for a unit vector (d_prompt,); `neighbors` are rows whose prompts are considered.

        Deterministic. The text is empty where the ban list leaves no phrase.
        """
        banned = config.banned
        rows = self._near_rows(vector, neighbors)
        beam = self._start(vector, rows, banned, config)
        if self._encoder is not None and beam:
            offered = self._offer(vector, rows, banned)
            for _ in range(config.rounds):
                better = self._improve(vector, beam, offered, banned, config)
                if better[0].score <= beam[0].score + 1e-4:
                    break
                beam = better
        return self._finish(beam[0] if beam else None, config)

    def negative(self, vector: np.ndarray, config: ComposeConfig, count: int = 8) -> str:
        """A negative prompt: frequent phrases of the corpus that point away from the vector."""
        banned = config.banned
        scores = self._bank.vectors @ vector
        chosen: list[int] = []
        for place in np.argsort(scores, kind="stable"):
            apart = all(self._bank.vectors[place] @ self._bank.vectors[c] < 0.6 for c in chosen)
            if apart and not banned.hits(self._bank.phrases[place].text):
                chosen.append(int(place))
            if len(chosen) == count:
                break
        return ", ".join(self._bank.phrases[place].text for place in chosen)

    def _near_rows(self, vector: np.ndarray, neighbors: Sequence[int]) -> list[int]:
        """Rows whose prompts' vectors are nearest, a prompt once."""
        if len(self._index.targets) <= WHOLE_SCAN:
            scores = self._targets @ vector
            rows = np.argsort(-scores, kind="stable")[: 4 * STARTS]
        else:
            known = np.array(sorted(set(neighbors)), dtype=np.int64)
            scores = np.asarray(self._index.targets[known], np.float32) @ vector
            rows = known[np.argsort(-scores, kind="stable")]
        _, first = np.unique(self._index.prompt_ids[rows], return_index=True)
        return [int(row) for row in rows[np.sort(first)][:STARTS]]

    @property
    def _targets(self) -> np.ndarray:
        if not hasattr(self, "_wide"):
            self._wide = np.asarray(self._index.targets, dtype=np.float32)
        return self._wide

    def _start(
        self, vector: np.ndarray, rows: Sequence[int], banned: BanList, config: ComposeConfig
    ) -> list[_Text]:
        """The nearest known prompts as they are, without what is banned, cut to length."""
        whole: list[_Text] = []
        changed: list[tuple[_Piece, ...]] = []
        for row in rows:
            phrases = split_phrases(self._index.rows["prompt"][row])
            pieces = tuple(_Piece(phrase, "neighbor", row) for phrase in phrases)
            allowed = _without_repeats(_without_banned(pieces, banned))
            allowed = self._shorten(allowed, config)
            if not allowed:
                continue
            if allowed == pieces:
                target = np.asarray(self._index.targets[row], dtype=np.float32)
                whole.append(_Text(pieces, target, float(target @ vector)))
            else:
                changed.append(allowed)
        if len(whole) < config.beam and changed:
            whole += self._evaluate(vector, changed[: config.tried])
        return sorted(whole, key=lambda text: -text.score)[: config.beam]

    def _offer(self, vector: np.ndarray, rows: Sequence[int], banned: BanList) -> "_Offer":
        """Phrases of the nearest prompts first, then the bank's nearest to the vector."""
        places = {phrase: place for place, phrase in enumerate(self._bank.phrases)}
        sources: dict[int, int] = {}
        for row in rows:
            for phrase in split_phrases(self._index.rows["prompt"][row]):
                place = places.get(as_entry(phrase))
                if place is not None:
                    sources.setdefault(place, row)
        scores = self._bank.vectors @ vector
        for place in np.argsort(-scores, kind="stable")[: 2 * STARTS]:
            sources.setdefault(int(place), -1)
        kept = [p for p in sources if not banned.hits(self._bank.phrases[p].text)]
        pieces = [
            _Piece(
                self._bank.phrases[place],
                "neighbor" if sources[place] >= 0 else "corpus",
                sources[place] if sources[place] >= 0 else None,
            )
            for place in kept
        ]
        contents = [self._bank_words[place] for place in kept]
        vectors = self._bank.vectors[np.array(kept, dtype=np.int64)]
        known = {phrase.text.lower(): self._bank.vectors[p] for phrase, p in places.items()}
        return _Offer(pieces, contents, vectors, known)

    def _improve(
        self,
        vector: np.ndarray,
        beam: list[_Text],
        offered: "_Offer",
        banned: BanList,
        config: ComposeConfig,
    ) -> list[_Text]:
        proposals = [proposal for text in beam for proposal in _propose(text, vector, offered)]
        proposals.sort(key=lambda proposal: -proposal[0])
        seen = {text.text.lower() for text in beam}
        chosen: list[tuple[_Piece, ...]] = []
        for _, pieces in proposals:
            text = join_phrases([piece.phrase for piece in pieces])
            if text.lower() in seen:
                continue
            seen.add(text.lower())
            if not banned.hits(text) and self._fits(pieces, config):
                chosen.append(pieces)
            if len(chosen) == config.tried:
                break
        joined = beam + (self._evaluate(vector, chosen) if chosen else [])
        return sorted(joined, key=lambda text: -text.score)[: config.beam]

    def _evaluate(self, vector: np.ndarray, texts: Sequence[tuple[_Piece, ...]]) -> list[_Text]:
        if self._encoder is None:
            return [_Text(pieces, vector, -1.0) for pieces in texts]
        joined = [join_phrases([piece.phrase for piece in pieces]) for pieces in texts]
        vectors = self._encoder.encode(joined)
        return [
            _Text(pieces, own, float(own @ vector))
            for pieces, own in zip(texts, vectors, strict=True)
        ]

    def _fits(self, pieces: tuple[_Piece, ...], config: ComposeConfig) -> bool:
        text = join_phrases([piece.phrase for piece in pieces])
        return self._count_tokens(_around(text, config)) <= config.max_tokens

    def _shorten(self, pieces: tuple[_Piece, ...], config: ComposeConfig) -> tuple[_Piece, ...]:
        """Without the last phrases that are too many."""
        while pieces and not self._fits(pieces, config):
            pieces = pieces[:-1]
        return pieces

    def _finish(self, best: _Text | None, config: ComposeConfig) -> Composition:
        if best is None:
            return Composition("", None, ())
        origins = []
        if config.prefix:
            origins.append(Origin(f"{config.prefix}, ", "given", None, None))
        table = self._index.rows
        for place, piece in enumerate(best.pieces):
            joint = (piece.phrase.joint or " ") if place else ""
            prompt = None if piece.row is None else table["prompt"][piece.row]
            row_id = None if piece.row is None else int(table["row_id"][piece.row])
            origins.append(Origin(joint + piece.phrase.text, piece.source, prompt, row_id))
        if config.suffix:
            origins.append(Origin(f", {config.suffix}", "given", None, None))
        cosine = None if config.prefix or config.suffix or best.cosine < 0 else best.cosine
        return Composition(_around(best.text, config), cosine, tuple(origins))


class _Offer(NamedTuple):
    pieces: list[_Piece]
    contents: list[frozenset[str]]
    vectors: np.ndarray  # (p, d)
    known: dict[str, np.ndarray]  # phrase text -> its vector


def _propose(
    text: _Text, vector: np.ndarray, offered: _Offer
) -> Iterator[tuple[float, tuple[_Piece, ...]]]:
    """(guessed cosine, pieces) of every exchange, omission and addition of one phrase."""
    pieces = text.pieces
    contents = [_content(piece.phrase.text) for piece in pieces]
    for place, piece in enumerate(pieces):
        others = frozenset(w for n, own in enumerate(contents) if n != place for w in own)
        old = offered.known.get(piece.phrase.text.lower())
        gone = np.zeros_like(vector) if old is None else old
        guesses = _guess(text.vector, vector, offered.vectors - gone)
        for number, other in enumerate(offered.pieces):
            if offered.contents[number] & others:
                continue
            for phrase in _exchanges(piece.phrase, other.phrase):
                changed = (*pieces[:place], _Piece(phrase, other.source, other.row))
                yield float(guesses[number]), (*changed, *pieces[place + 1 :])
        if len(pieces) > 1:
            rest = list((*pieces[:place], *pieces[place + 1 :]))
            rest[0] = _Piece(rest[0].phrase._replace(joint=""), rest[0].source, rest[0].row)
            yield float(_guess(text.vector, vector, -gone[None])[0]), tuple(rest)
    everything = frozenset(word for own in contents for word in own)
    guesses = _guess(text.vector, vector, offered.vectors)
    for number, other in enumerate(offered.pieces):
        if not offered.contents[number] & everything:
            joint = " " if other.phrase.connector else ", "
            phrase = other.phrase._replace(joint=joint)
            yield float(guesses[number]), (*pieces, _Piece(phrase, other.source, other.row))


def _exchanges(old: Phrase, new: Phrase) -> Iterator[Phrase]:
    """`new` in the place of `old`: with its own connector, or with the old one."""
    if bool(old.connector) == bool(new.connector):
        yield old._replace(connector=new.connector, body=new.body)
    if old.connector != new.connector and old.connector:
        yield old._replace(body=new.body)


def _guess(own: np.ndarray, wanted: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Cosines to `wanted` of a text's vector moved by phrase vectors (p, d)."""
    moved = own + PHRASE_SHARE * changes
    return np.asarray((moved @ wanted) / np.maximum(np.linalg.norm(moved, axis=1), 1e-9))


def _content(text: str) -> list[str]:
    """The words that must not come twice."""
    return [word for word in words(text) if word not in SMALL_WORDS]


def _without_banned(pieces: tuple[_Piece, ...], banned: BanList) -> tuple[_Piece, ...]:
    kept = [piece for piece in pieces if not banned.hits(piece.phrase.text)]
    if kept and len(kept) < len(pieces):
        kept[0] = _Piece(kept[0].phrase._replace(joint=""), kept[0].source, kept[0].row)
    # a term of several words may lie across phrases
    while kept and banned.hits(join_phrases([piece.phrase for piece in kept])):
        kept.pop()
    return tuple(kept)


def _without_repeats(pieces: tuple[_Piece, ...]) -> tuple[_Piece, ...]:
    """Without the phrases that only say again what was said."""
    kept: list[_Piece] = []
    seen: set[str] = set()
    for piece in pieces:
        own = _content(piece.phrase.text)
        if not seen & set(own) and len(own) == len(set(own)):
            kept.append(piece)
            seen |= set(own)
    return tuple(kept)


def _around(text: str, config: ComposeConfig) -> str:
    return ", ".join(part for part in (config.prefix, text, config.suffix) if part)
