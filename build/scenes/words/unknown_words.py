"""The words where a prompt left the grammar -> a PromptError with the nearest known phrases."""

import difflib
from functools import lru_cache
from typing import NoReturn

from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.phrases import (
    COUNTS,
    FRAMINGS,
    LIGHTS,
    RELATIONS,
    SETTINGS,
    SIZES,
    STYLES,
)
from unprompt.build.scenes.words.vocabulary import load_objects
from unprompt.index.base.errors import PromptError

MAX_PHRASE_WORDS = 8
MAX_SUGGESTIONS = 3
ENDS_A_PHRASE = frozenset((",", "and", "with", "next", "in", "on", "under", "at", "by"))


def refuse(words: tuple[str, ...], position: int) -> NoReturn:
    """Raise the PromptError for the words at `position`, the furthest that could be read."""
    if position >= len(words):
        raise PromptError(
            f"the prompt ends after {' '.join(words[-2:])!r} where a thing should follow; "
            "name one, as in 'a fox next to a red kite'"
        )
    phrase = _cut_phrase(words[position:])
    near = find_nearest(phrase) or find_nearest(words[position])
    known = (
        f"the nearest known: {', '.join(near)}"
        if near
        else "nothing known is near it; unprompt.build.scenes.grammar.sample_prompts shows "
        "what can be drawn"
    )
    raise PromptError(f"the scenes renderer does not know {phrase!r}; {known}")


def find_nearest(phrase: str) -> list[str]:
    """Up to three known names or phrases that are spelt like `phrase`, the nearest first."""
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
