"""Settings -> the rules that rewrite or drop prompts, in the order of their application."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import polars as pl

from unprompt.build.corpus.cleaning import syntax
from unprompt.build.corpus.cleaning.clip_length import over_clip_tokens
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.cleaning.language import is_foreign, letter_shares
from unprompt.build.corpus.cleaning.repeats import (
    drop_repeated_phrases,
    may_repeat_phrases,
    repeated_share,
)
from unprompt.index.base.terms import read_terms

_DASH = r"[-\x{2013}\x{2014}]"

Column = Callable[[pl.Series], pl.Series]  # prompts (n,) -> values (n,)


class Rewrite(NamedTuple):
    """A rule that changes prompts."""

    name: str
    concerns: Column  # bool: rows that may change, decided cheaply
    rewrite: Column  # prompts of those rows, changed or not


class Drop(NamedTuple):
    """A rule that drops prompts."""

    name: str
    fails: Column  # bool, of the table's column `column`
    column: str = "prompt"


def rewriting_rules(config: CleanConfig) -> list[Rewrite]:
    """The rewriting rules that are on, in order; raises ConfigError for a missing artist file."""
    rules: list[Rewrite] = []
    if config.tags:
        rules.append(Rewrite("tags", _holds(syntax.TAGGED), syntax.strip_tags))
    if config.flags:
        rules.append(Rewrite("flags", _holds(syntax.FLAGGED), syntax.strip_flags))
    if config.weights:
        rules.append(Rewrite("weights", _holds(syntax.WEIGHTED), syntax.unwrap_weights))
    if config.urls == "strip":
        rules.append(Rewrite("urls", _holds(syntax.LINKED), syntax.strip_urls))
    if config.artists == "strip":
        names = read_terms(config.artist_names)
        rules.append(Rewrite("artists", _names_any(names), _without_names(names)))
    if config.repeated_phrases:
        rules.append(Rewrite("repeated_phrases", may_repeat_phrases, drop_repeated_phrases))
    return rules


# setting -> whether values are beyond its limit
LIMITS: dict[str, Callable[[float, pl.Series], pl.Series]] = {
    "min_words": lambda low, prompts: _count_words(prompts) < low,
    "max_words": lambda high, prompts: _count_words(prompts) > high,
    "max_nsfw": lambda high, scores: (scores > high).fill_null(False),
    "max_dashes": lambda high, prompts: prompts.str.count_matches(_DASH) > high,
    "max_by": lambda high, prompts: prompts.str.count_matches(r"(?i)\bby\b") > high,
    "max_repeated_words": lambda high, prompts: repeated_share(prompts) > high,
    "min_ascii_letters": lambda low, prompts: letter_shares(prompts) < low,
    "max_tokens": lambda high, prompts: over_clip_tokens(prompts, int(high)),
}


def dropping_rules(config: CleanConfig) -> list[Drop]:
    """The dropping rules that are on, cheap ones first; a prompt counts for the first it fails."""
    rules = [*_limits(config, "min_words", "max_words", "max_nsfw")]
    if config.urls == "drop":
        rules.append(Drop("urls", syntax.has_url))
    if config.artists == "drop":
        rules.append(Drop("artists", _names_any(read_terms(config.artist_names))))
    rules += _limits(config, "max_dashes", "max_by", "max_repeated_words", "min_ascii_letters")
    if config.language == "english":
        rules.append(Drop("language", is_foreign))
    return [*rules, *_limits(config, "max_tokens")]


def _limits(config: CleanConfig, *names: str) -> Iterator[Drop]:
    """The rules of those settings that have a limit."""
    for name in names:
        limit = getattr(config, name)
        if limit is not None:
            column = "nsfw" if name == "max_nsfw" else "prompt"
            yield Drop(name, partial(LIMITS[name], limit), column)


def _count_words(prompts: pl.Series) -> pl.Series:
    """The number (n,) of parts between spaces; 0 for a prompt without a letter or digit."""
    parts = prompts.str.count_matches(" ", literal=True) + 1
    return parts * prompts.str.contains(r"[\p{L}\p{N}]").cast(pl.UInt32)


def _holds(pattern: str) -> Column:
    return lambda prompts: prompts.str.contains(pattern)


def _names_any(names: tuple[str, ...]) -> Column:
    pattern = rf"(?i)\b(?:{'|'.join(map(re.escape, names))})\b"

    def found(prompts: pl.Series) -> pl.Series:
        maybe = prompts.str.contains_any(list(names), ascii_case_insensitive=True)
        rows = maybe.arg_true()
        return maybe.scatter(rows, prompts.gather(rows).str.contains(pattern))

    return found


def _without_names(names: tuple[str, ...]) -> Column:
    """Remove each name with the words before it: `art by`, `in the style of`, `and`."""
    name = f"(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})"
    lead = (
        r"(?:(?:(?:^|[,.]\s*)(?:concept\s+)?(?:art(?:work)?|painting|illustration|drawing|photo\w*)|"
        r"painted|illustrated|drawn|designed|directed|created|made)\s+)?"
        r"\b(?:by|from|in\s+the\s+styles?\s+of|styles?\s+of|inspired\s+by|and|&)\s+"
    )
    pattern = rf"(?i)(?:{lead})?\b{name}\b(?:'s|\s+style)?"
    return lambda prompts: prompts.str.replace_all(pattern, " ")
