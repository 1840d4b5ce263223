"""Prompt -> Scene; a PromptError names the words outside the grammar and the nearest known ones."""

import difflib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from unprompt.build.scenes.scene import MAX_THINGS, Scene, Thing
from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.phrases import (
    COUNTS,
    FRAMINGS,
    LIGHTS,
    RELATIONS,
    SETTINGS,
    SIZES,
    STYLES,
    Tokens,
    index_nouns,
    list_closings,
    list_openings,
    split_words,
)
from unprompt.build.scenes.words.vocabulary import load_objects
from unprompt.index.base.errors import PromptError

ARTICLES = ("a", "an", "the", "one")
JOINTS = ((",", "and"), (",", "with"), (",",), ("and",), ("with",))
MAX_PHRASE_WORDS = 8
MAX_SUGGESTIONS = 3
ENDS_A_PHRASE = frozenset((",", "and", "with", "next", "in", "on", "under", "at", "by"))


@dataclass
class _Frame:
    """The phrases found around the things, and the words that remain."""

    words: Tokens
    found: dict[str, str] = field(default_factory=dict)

    def note(self, slot: str, name: str) -> None:
        if self.found.get(slot, name) != name:
            raise PromptError(
                f"the prompt names two {slot}s, {self.found[slot]!r} and {name!r}; keep one"
            )
        self.found[slot] = name


def parse_prompt(prompt: str) -> Scene:
    """The scene that a prompt describes; case and outer white space do not matter.

    Raises PromptError with the first word or phrase outside the grammar.
    """
    frame = _Frame(split_words(prompt))
    if not frame.words:
        raise PromptError("the prompt is empty; name at least one thing, as in 'a fox in a forest'")
    _peel_start(frame)
    _peel_end(frame)
    things, relation = _ThingReader(frame.words).read()
    return Scene(
        things=things,
        relation=relation,
        style=frame.found.get("style"),
        setting=frame.found.get("setting"),
        light=frame.found.get("light"),
        framing=frame.found.get("framing"),
    )


def _peel_start(frame: _Frame) -> None:
    peeled = True
    while peeled:
        peeled = False
        for tokens, slot, name in list_openings():
            if frame.words[: len(tokens)] == tokens and len(frame.words) > len(tokens):
                if slot:
                    frame.note(slot, name)
                frame.words = frame.words[len(tokens) :]
                peeled = True
                break


def _peel_end(frame: _Frame) -> None:
    peeled = True
    while peeled:
        peeled = False
        for tokens, slot, name in list_closings():
            if frame.words[-len(tokens) :] == tokens and len(frame.words) > len(tokens):
                frame.note(slot, name)
                frame.words = frame.words[: -len(tokens)]
                if frame.words[-1:] == (",",):
                    frame.words = frame.words[:-1]
                peeled = True
                break


class _ThingReader:
    """Reads "a tiny fox next to two kites"; tries the longest names first, and backtracks."""

    def __init__(self, words: Tokens) -> None:
        self._words = words
        self._furthest = 0

    def read(self) -> tuple[tuple[Thing, ...], str | None]:
        result = self._read_things(0, (), None)
        if result is None:
            _refuse(self._words, self._furthest)
        return result

    def _read_things(
        self, start: int, before: tuple[Thing, ...], relation: str | None
    ) -> tuple[tuple[Thing, ...], str | None] | None:
        for thing, end in self._read_thing(start):
            things = (*before, thing)
            if end == len(self._words):
                return things, relation
            self._furthest = max(self._furthest, end)
            if len(things) == MAX_THINGS:
                continue
            for joint, tied in self._read_joints(end, first=len(things) == 1):
                result = self._read_things(end + joint, things, tied or relation)
                if result is not None:
                    return result
        return None

    def _read_joints(self, start: int, first: bool) -> list[tuple[int, str | None]]:
        joints: list[tuple[int, str | None]] = []
        if first:
            for name, phrases in RELATIONS.items():
                for phrase in map(split_words, phrases):
                    if self._words[start : start + len(phrase)] == phrase:
                        joints.append((len(phrase), name))
        for words in JOINTS:
            if self._words[start : start + len(words)] == words:
                joints.append((len(words), None))
        for length, _ in joints:
            self._furthest = max(self._furthest, start + length)
        return joints

    def _read_thing(self, start: int) -> list[tuple[Thing, int]]:
        position, count = self._read_count(start)
        colour = size = None
        while position < len(self._words):
            word = self._words[position]
            if word in SIZES and size is None:
                size = word
            elif word in COLOURS and colour is None:
                colour = word
            else:
                break
            position += 1
        self._furthest = max(self._furthest, position)
        if position >= len(self._words):
            return []
        return [
            (Thing(found, colour, count, size), position + len(tokens))
            for tokens, found in index_nouns().get(self._words[position], ())
            if self._words[position : position + len(tokens)] == tokens
        ]

    def _read_count(self, start: int) -> tuple[int, int]:
        for count, phrases in COUNTS.items():
            for phrase in map(split_words, phrases):
                if self._words[start : start + len(phrase)] == phrase:
                    return start + len(phrase), count
        if self._words[start : start + 1] and self._words[start] in ARTICLES:
            return start + 1, 1
        return start, 1


def _refuse(words: tuple[str, ...], position: int) -> NoReturn:
    """Raise the PromptError for the words at `position`, the furthest position reached."""
    if position >= len(words):
        raise PromptError(
            f"the prompt ends after {' '.join(words[-2:])!r} where a thing should follow; "
            "name one, as in 'a fox next to a red kite'"
        )
    phrase = _cut_phrase(words[position:])
    near = _find_nearest(phrase) or _find_nearest(words[position])
    known = (
        f"the nearest known: {', '.join(near)}"
        if near
        else "nothing known is near it; unprompt.build.scenes.grammar.sample_prompts shows "
        "what can be drawn"
    )
    raise PromptError(f"the scenes renderer does not know {phrase!r}; {known}")


def _find_nearest(phrase: str) -> list[str]:
    """Up to three known names or phrases with a similar spelling, the nearest first."""
    return difflib.get_close_matches(phrase, _list_known(), n=MAX_SUGGESTIONS, cutoff=0.6)


def _cut_phrase(words: tuple[str, ...]) -> str:
    taken = [words[0]]
    for word in words[1:MAX_PHRASE_WORDS]:
        if word in ENDS_A_PHRASE and taken != [","]:
            break
        taken.append(word)
    return " ".join(taken).removeprefix(", ")


@lru_cache(maxsize=1)
def _list_known() -> list[str]:
    known = [*COLOURS, *SIZES]
    for found in load_objects().values():
        known += [found.name, found.plural]
    for table in (COUNTS, RELATIONS, LIGHTS):
        known += [phrase for phrases in table.values() for phrase in phrases]
    for setting in SETTINGS.values():
        known += [*setting.places, *setting.scenes]
    for said in (*STYLES.values(), *FRAMINGS.values()):
        known += [*said.leads, *said.tails]
    return known
