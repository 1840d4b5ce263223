"""phrases.yaml -> the phrases of the scenes grammar by name, and their words, longest first.

The first phrase of a name is the plainest one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from unprompt.build.scenes.words.vocabulary import SceneObject, load_objects

Tokens = tuple[str, ...]
Nouns = dict[str, list[tuple[Tokens, SceneObject]]]
LEADING_ARTICLES = ("a", "an")


@dataclass(frozen=True)
class StylePhrases:
    """`leads` open a prompt ("an oil painting of"), `tails` close one (", oil on canvas")."""

    leads: list[str]
    tails: list[str]


@dataclass(frozen=True)
class SettingPhrases:
    """`places` say where the things are; `scenes` open a prompt ("a forest" with the things)."""

    places: list[str]
    scenes: list[str]


_TABLES: dict[str, Any] = yaml.safe_load(
    files("unprompt.build.scenes.words").joinpath("phrases.yaml").read_text("utf-8")
)
STYLES = {name: StylePhrases(**said) for name, said in _TABLES["styles"].items()}
SETTINGS = {name: SettingPhrases(**said) for name, said in _TABLES["settings"].items()}
FRAMINGS = {name: StylePhrases(**said) for name, said in _TABLES["framings"].items()}
RELATIONS: dict[str, list[str]] = _TABLES["relations"]
LIGHTS: dict[str, list[str]] = _TABLES["lights"]
COUNTS: dict[int, list[str]] = _TABLES["counts"]
SIZES: list[str] = _TABLES["sizes"]
PLAIN_LEADS: list[str] = _TABLES["plain_leads"]


def split_words(text: str) -> Tokens:
    """Lower-case words and commas, without the final full stop."""
    plain = text.lower().replace("\u2019", "'").strip().rstrip(".!").strip()
    return tuple(re.findall(r",|[^\s,]+", plain))


@lru_cache(maxsize=1)
def list_openings() -> list[tuple[Tokens, str, str]]:
    """(words, slot, name) of phrases that open a prompt; the slot "" carries no meaning."""
    openings = [(lead, "", "") for lead in PLAIN_LEADS]
    for slot, table in (("style", STYLES), ("framing", FRAMINGS)):
        openings += [(lead, slot, name) for name, said in table.items() for lead in said.leads]
    for name, said in SETTINGS.items():
        openings += [(place + ",", "setting", name) for place in said.places]
        openings += [(scene + " with", "setting", name) for scene in said.scenes]
    with_articles = _longest_first(openings)
    bare = [
        (words[1:], slot, name)
        for words, slot, name in with_articles
        if words[0] in LEADING_ARTICLES
    ]
    return sorted(with_articles + bare, key=lambda entry: -len(entry[0]))


@lru_cache(maxsize=1)
def list_closings() -> list[tuple[Tokens, str, str]]:
    """(words, slot, name) of phrases that follow the things."""
    closings = [(place, "setting", name) for name, s in SETTINGS.items() for place in s.places]
    closings += [(light, "light", name) for name, said in LIGHTS.items() for light in said]
    for slot, table in (("style", STYLES), ("framing", FRAMINGS)):
        closings += [(tail, slot, name) for name, said in table.items() for tail in said.tails]
    return _longest_first(closings)


def _longest_first(phrases: list[tuple[str, str, str]]) -> list[tuple[Tokens, str, str]]:
    split = [(split_words(phrase), slot, name) for phrase, slot, name in phrases]
    return sorted(split, key=lambda entry: -len(entry[0]))


@lru_cache(maxsize=1)
def index_nouns() -> Nouns:
    """First word -> the object names that start with it, longest first."""
    nouns: Nouns = {}
    for found in load_objects().values():
        for name in {found.name, found.plural}:
            tokens = split_words(name)
            nouns.setdefault(tokens[0], []).append((tokens, found))
    for names in nouns.values():
        names.sort(key=lambda entry: -len(entry[0]))
    return nouns
