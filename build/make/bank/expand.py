"""A grammar and a seed -> prompts, one after another, each with its kind."""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from random import Random

from unprompt.build.make.bank.grammar import ARTICLE, PIECES, START, Grammar, named_rules
from unprompt.build.make.wording import article, content_words

KEPT = 0.5  # probability of a part in <...>
SHORT = 12  # words; up to here no word comes twice, in longer texts none three times
_ARTICLE = re.compile("\0 ")
_SENTENCE = re.compile(r"(^|[.?!] )([a-z])")


def draw_prompts(grammar: Grammar, seed: int) -> Iterator[tuple[str, str]]:
    """Distinct prompts with their kinds, without end; a seed always gives the same ones."""
    random, seen = Random(seed), set()
    while True:
        form = _choose(grammar, START, random)
        text = finish_text(_expand(grammar, form, random))
        if text not in seen and not repeats_words(text):
            seen.add(text)
            yield text, next(named_rules(form), START)


def finish_text(text: str) -> str:
    """Replace marks of articles, close gaps, begin sentences with a capital letter."""
    text = " ".join(text.split()).replace(" ,", ",")
    while match := list(_ARTICLE.finditer(text))[-1:]:
        start, end = match[0].span()
        text = f"{text[:start]}{article(text[end:])} {text[end:]}"
    if text.endswith(".") or ". " in text:
        text = _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text)
    return text


def repeats_words(text: str) -> bool:
    """Whether a content word comes too often for a text of this length."""
    words = content_words(text)
    most = 1 if len(words) <= SHORT else 2
    return max(Counter(words).values(), default=0) > most


def _expand(grammar: Grammar, text: str, random: Random) -> str:
    """Replace the rules of a text from left to right."""
    done, end, kept = [], 0, True
    for match in PIECES.finditer(text):
        if kept:
            done.append(text[end : match.start()])
        end = match.end()
        if match[2]:
            kept = match[2] == ">" or random.random() < KEPT
        elif kept and match[1] == ARTICLE:
            done.append("\0")
        elif kept:
            done.append(_expand(grammar, _choose(grammar, match[1], random), random))
    return "".join(done) + text[end:]


def _choose(grammar: Grammar, name: str, random: Random) -> str:
    rule = grammar.rules[name]
    return rule.texts[bisect(rule.totals, random.random() * rule.totals[-1])]
