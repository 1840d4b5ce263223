"""Templates and the terms of their slots -> prompts, each combination at most once.

The 7th place combined 40,000 subjects with media, adjectives and verbs. The templates take turns;
each goes through all its combinations in a drawn order.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from typing import NamedTuple

import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.drawing import DrawnOrder, choose_each
from unprompt.build.make.made import MADE, Made
from unprompt.build.make.plain import article, content_words
from unprompt.build.make.terms import ARTICLE_SLOT, SLOT, Terms, slots_of
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT
from unprompt.index.towers.clip_tokens import fits_clip

METHOD = "combine"


@dataclass(frozen=True, config=STRICT)
class CombineConfig:
    """How many combinations."""

    count: int = 1000
    seed: int = 0
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if self.count < 1 or self.max_tokens < 3:
            raise ConfigError(
                f"combining needs a count of 1 and 3 tokens or more, got {self.count} and "
                f"{self.max_tokens}"
            )


class Combination(NamedTuple):
    """A template filled with terms, in the order of its slots."""

    template: str
    terms: tuple[str, ...]

    @property
    def text(self) -> str:
        """The prompt."""
        return fill_template(self.template, self.terms)


def combine_terms(terms: Terms, config: CombineConfig, progress: Progress = SILENT) -> Made:
    """`config.count` prompts, or as many as the terms give."""
    left_out: Counter[str] = Counter()
    prompts = _distinct(draw_combinations(terms, config.seed), config.max_tokens, left_out)
    found = dict(progress.track(islice(prompts, config.count), METHOD, config.count))
    table = pl.DataFrame(
        {
            "prompt": list(found),
            "method": [METHOD] * len(found),
            "parents": [list(made.terms) for made in found.values()],
            "template": [made.template for made in found.values()],
        },
        schema={**MADE, "template": pl.String},
    )
    report = {
        "templates": len(terms.templates),
        "terms": {slot: len(words) for slot, words in sorted(terms.slots.items())},
        "combinations": sum(_combinations(terms, template) for template in terms.templates),
        "a_word_twice": left_out["a word twice"],
        "too_long": left_out["too long"],
        "repeated": left_out["repeated"],
    }
    return Made(table, report)


def draw_combinations(terms: Terms, seed: int) -> Iterator[Combination]:
    """Every combination of every template once; the templates take turns until they run out."""
    turns = DrawnOrder(len(terms.templates), METHOD, seed)
    left = {place: _of_template(terms, terms.templates[place], seed) for place in turns}
    while left:
        for place in list(left):
            found = next(left[place], None)
            if found is None:
                del left[place]
            else:
                yield found


def fill_template(template: str, terms: Sequence[str]) -> str:
    """The template with its slots filled, and each {a} as the word after it wants it."""
    left = list(terms)
    text = ""
    # text, slot, text, slot, ..., text; from the end, so that {a} sees what follows it
    for place, piece in reversed(list(enumerate(SLOT.split(template)))):
        if place % 2 == 0:
            text = piece + text
        elif piece == ARTICLE_SLOT:
            text = article(text.lstrip()) + text
        else:
            text = left.pop() + text
    return text


def _of_template(terms: Terms, template: str, seed: int) -> Iterator[Combination]:
    lists = [terms.slots[slot] for slot in slots_of(template)]
    sizes = [len(words) for words in lists]
    for rank in DrawnOrder(prod(sizes), METHOD, seed, template):
        places = choose_each(rank, sizes)
        yield Combination(
            template, tuple(words[place] for words, place in zip(lists, places, strict=True))
        )


def _combinations(terms: Terms, template: str) -> int:
    return prod(len(terms.slots[slot]) for slot in slots_of(template))


def _distinct(
    combinations: Iterator[Combination], max_tokens: int, left_out: Counter[str]
) -> Iterator[tuple[str, Combination]]:
    """The text of those that are new, short enough and use no word twice; counts the others."""
    seen: set[str] = set()
    for made in combinations:
        text = made.text
        words = [word for term in made.terms for word in content_words(term)]
        if len(set(words)) < len(words):
            left_out["a word twice"] += 1
        elif text in seen:
            left_out["repeated"] += 1
        elif not fits_clip(text, max_tokens):
            left_out["too long"] += 1
        else:
            seen.add(text)
            yield text, made
