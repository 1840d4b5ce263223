"""Settings -> the rules that rewrite prompts and those that drop them, in the order they apply."""

import re
from collections.abc import Callable
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

Column = Callable[[pl.Series], pl.Series]  # (n,) prompts in, (n,) values out


class Rewrite(NamedTuple):
    """A rule that changes prompts."""

    name: str
    concerns: Column  # bool: the rows worth a look, cheap to tell
    rewrite: Column  # those rows' prompts, changed or not


class Drop(NamedTuple):
    """A rule that drops prompts."""

    name: str
    fails: Column  # bool; of the table's prompts, or of its scores for `nsfw`
    column: str = "prompt"


def rewriting_rules(config: CleanConfig) -> list[Rewrite]:
    """The rules that are on, in their order."""
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


def dropping_rules(config: CleanConfig) -> list[Drop]:
    """The rules that are on, the cheap ones first; a prompt counts for the first that it fails."""
    words, low, high = _words, config.min_words, config.max_words
    rules = [Drop("min_words", lambda prompts: words(prompts) < low)]
    if high is not None:
        rules.append(Drop("max_words", lambda prompts: words(prompts) > high))
    if config.max_nsfw is not None:
        rules.append(Drop("max_nsfw", _above(config.max_nsfw), "nsfw"))
    if config.urls == "drop":
        rules.append(Drop("urls", syntax.has_url))
    if config.artists == "drop":
        rules.append(Drop("artists", _names_any(read_terms(config.artist_names))))
    rules += _counting_rules(config)
    if config.language == "english":
        rules.append(Drop("language", is_foreign))
    if config.max_tokens is not None:
        limit = config.max_tokens
        rules.append(Drop("max_tokens", lambda prompts: over_clip_tokens(prompts, limit)))
    return rules


def _counting_rules(config: CleanConfig) -> list[Drop]:
    rules: list[Drop] = []
    if config.max_dashes is not None:
        rules.append(Drop("max_dashes", _counts_over(r"[-\x{2013}\x{2014}]", config.max_dashes)))
    if config.max_by is not None:
        rules.append(Drop("max_by", _counts_over(r"(?i)\bby\b", config.max_by)))
    if config.max_repeated_words is not None:
        share = config.max_repeated_words
        rules.append(Drop("max_repeated_words", lambda p: repeated_share(p) > share))
    if config.min_ascii_letters is not None:
        least = config.min_ascii_letters
        rules.append(Drop("min_ascii_letters", lambda p: letter_shares(p) < least))
    return rules


def _words(prompts: pl.Series) -> pl.Series:
    """How many parts between spaces; none where there is neither letter nor digit."""
    parts = prompts.str.count_matches(" ", literal=True) + 1
    return parts * prompts.str.contains(r"[\p{L}\p{N}]").cast(pl.UInt32)


def _holds(pattern: str) -> Column:
    return lambda prompts: prompts.str.contains(pattern)


def _counts_over(pattern: str, limit: int) -> Column:
    return lambda prompts: prompts.str.count_matches(pattern) > limit


def _above(limit: float) -> Column:
    return lambda scores: (scores > limit).fill_null(False)


def _names_any(names: tuple[str, ...]) -> Column:
    pattern = rf"(?i)\b(?:{'|'.join(map(re.escape, names))})\b"

    def found(prompts: pl.Series) -> pl.Series:
        maybe = prompts.str.contains_any(list(names), ascii_case_insensitive=True)
        rows = maybe.arg_true()
        return maybe.scatter(rows, prompts.gather(rows).str.contains(pattern))

    return found


def _without_names(names: tuple[str, ...]) -> Column:
    """Each name with the words that lead to it: `art by`, `in the style of`, `and`."""
    name = f"(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})"
    lead = (
        r"(?:(?:(?:^|[,.]\s*)(?:concept\s+)?(?:art(?:work)?|painting|illustration|drawing|photo\w*)|"
        r"painted|illustrated|drawn|designed|directed|created|made)\s+)?"
        r"\b(?:by|from|in\s+the\s+styles?\s+of|styles?\s+of|inspired\s+by|and|&)\s+"
    )
    pattern = rf"(?i)(?:{lead})?\b{name}\b(?:'s|\s+style)?"
    return lambda prompts: prompts.str.replace_all(pattern, " ")
