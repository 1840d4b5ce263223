"""Templates and lists of terms for their slots -> prompts, each combination at most once.

The recipe is the 7th place's, who combined 40,000 subjects with media, adjectives and verbs. The
templates take turns. Each template visits its combinations in random order.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from typing import NamedTuple

import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.permutations import RandomPermutation, unrank_product
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts, new_prompts
from unprompt.build.make.terms import ARTICLE_SLOT, SLOT, TermLists, slots_of
from unprompt.build.make.wording import article, content_words
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT

METHOD = "combine"


@dataclass(frozen=True, config=STRICT)
class CombineConfig:
    """Number of combinations, and their longest length."""

    count: int = 1000
    seed: int = 0
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if self.count < 1 or self.max_tokens < 3:
            raise ConfigError(
                "--count must be 1 or more and --max-tokens 3 or more, got "
                f"{self.count} and {self.max_tokens}"
            )


class Combination(NamedTuple):
    """A template and the terms for its slots, in the order of the slots."""

    template: str
    terms: tuple[str, ...]

    @property
    def text(self) -> str:
        """The prompt."""
        return fill_template(self.template, self.terms)


def combine_terms(
    terms: TermLists, config: CombineConfig, progress: Progress = SILENT
) -> MadePrompts:
    """`config.count` prompts, or fewer if the terms give no more."""
    left_out: Counter[str] = Counter()
    texts = _without_repeated_words(draw_combinations(terms, config.seed), left_out)
    new = islice(new_prompts(texts, config.max_tokens, left_out), config.count)
    found = dict(progress.track(new, METHOD, config.count))
    table = pl.DataFrame(
        {
            "prompt": list(found),
            "method": [METHOD] * len(found),
            "parents": [list(made.terms) for made in found.values()],
            "template": [made.template for made in found.values()],
        },
        schema={**MADE_PROMPTS, "template": pl.String},
    )
    report = {
        "templates": len(terms.templates),
        "terms": {slot: len(words) for slot, words in sorted(terms.slots.items())},
        "combinations": sum(_combinations(terms, template) for template in terms.templates),
        "a_word_twice": left_out["a word twice"],
        "too_long": left_out["too long"],
        "repeated": left_out["repeated"],
    }
    return MadePrompts(table, report)


def draw_combinations(terms: TermLists, seed: int) -> Iterator[Combination]:
    """Every combination of every template once; exhausted templates lose their turn."""
    turns = RandomPermutation(len(terms.templates), METHOD, seed)
    left = {place: _of_template(terms, terms.templates[place], seed) for place in turns}
    while left:
        for place in list(left):
            found = next(left[place], None)
            if found is None:
                del left[place]
            else:
                yield found


def fill_template(template: str, terms: Sequence[str]) -> str:
    """Fill the slots in order; each {a} becomes the article of the word that follows it."""
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


def _of_template(terms: TermLists, template: str, seed: int) -> Iterator[Combination]:
    lists = [terms.slots[slot] for slot in slots_of(template)]
    sizes = [len(words) for words in lists]
    for rank in RandomPermutation(prod(sizes), METHOD, seed, template):
        places = unrank_product(rank, sizes)
        yield Combination(
            template, tuple(words[place] for words, place in zip(lists, places, strict=True))
        )


def _combinations(terms: TermLists, template: str) -> int:
    return prod(len(terms.slots[slot]) for slot in slots_of(template))


def _without_repeated_words(
    combinations: Iterator[Combination], left_out: Counter[str]
) -> Iterator[tuple[str, Combination]]:
    """The text of combinations that use no word twice; counts the others."""
    for made in combinations:
        words = [word for term in made.terms for word in content_words(term)]
        if len(set(words)) < len(words):
            left_out["a word twice"] += 1
        else:
            yield made.text, made
