"""Prompts as people wrote them -> word lists for combining: the terms of each slot, by frequency.

No grammar is parsed: a term is what stands in a slot's place in several prompts.

medium     before "of a" at the start: "oil painting" in "an oil painting of a fox"
subject    after "a" or "an", up to the next preposition, verb or comma, unless "of" follows
adjective  what stands before several subjects
verb       "riding" before an article, "sitting on" before a preposition and one
action     "smiling" and what follows it to the end of the phrase
setting    a preposition of place and what follows; style: what follows "in the style of"
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from unprompt.index.base.errors import CorpusError

LEAST = 3  # prompts that must hold a term
SIZE = 2000  # terms of a slot
HEADS = 3  # subjects that an adjective must stand before
SUBJECT_WORDS, PHRASE_WORDS = 3, 4
_BREAK = re.compile(r"[,.;:|()\[\]{}!?\"]+| - ")
_WORD = re.compile(r"[a-z][a-z'-]*$")
_ARTICLES = frozenset(("a", "an", "the", "his", "her", "its", "their", "one"))
_PLACES = frozenset(
    "in on at under inside near behind beside above among beneath through across between".split()
)
_STOPS = _PLACES | frozenset(
    "a an the and or with of by from to for into over as is are has have was that who which while "
    "his her its their at like against around up down out off next very wearing".split()
)
_NO_VERBS = frozenset(
    "king ring wing string spring thing nothing something everything evening morning building "
    "ceiling painting drawing lighting clothing string wedding during lightning viking sibling "
    "darling being living amazing interesting stunning rendering shading landing opening".split()
)


def extract_terms(prompts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The most frequent terms of each slot; raises CorpusError where no subject is found."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for prompt in prompts:
        for slot, term in {*_terms_of(prompt)}:
            counts[slot][term] += 1
    for medium in counts["medium"]:  # "a painting" is no thing to paint
        del counts["subject"][medium]
    adjectives = _adjectives(counts["subject"])
    found = {
        slot: _frequent(_without(counter, adjectives) if slot == "subject" else counter)
        for slot, counter in counts.items()
    }
    found["adjective"] = _frequent(adjectives)
    if not found.get("subject"):
        raise CorpusError(
            f"no subject stands in {LEAST} prompts or more, such as `fox` in `a fox in the snow`; "
            "give more prompts, or write the term lists by hand"
        )
    return {slot: terms for slot, terms in sorted(found.items()) if terms}


def _terms_of(prompt: str) -> Iterator[tuple[str, str]]:
    """Slots and terms of one prompt."""
    for number, phrase in enumerate(_BREAK.split(prompt.lower())):
        words = phrase.split()
        if number == 0 and "of" in words[1 : SUBJECT_WORDS + 2]:
            yield from _medium(words)
        for place, word in enumerate(words):
            rest = words[place + 1 :]
            if word in ("a", "an"):
                yield from _subject(rest)
            elif words[place : place + 4] == ["in", "the", "style", "of"]:
                yield from _whole("style", words[place + 4 :])
            elif word in _PLACES and rest[:1] and rest[0] in _ARTICLES:
                yield from _setting(word, rest)
            elif word.endswith("ing") and len(word) > 4 and word not in _NO_VERBS and place:
                yield from _verb(word, rest)


def _medium(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    place = words.index("of")
    before = words[1:place] if words[0] in _ARTICLES else words[:place]
    if words[place + 1 : place + 2] and words[place + 1] in _ARTICLES:
        yield from _whole("medium", before)


def _subject(rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    length = _until_stop(rest)
    if 0 < length <= SUBJECT_WORDS and rest[length : length + 1] not in (["of"], ["and"]):
        yield from _whole("subject", rest[:length])


def _setting(preposition: str, rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    length = 1 + _until_stop(rest[1:])
    if 1 < length <= PHRASE_WORDS and rest[length : length + 1] != ["of"]:
        yield from _whole("setting", [preposition, *rest[:length]])


def _verb(word: str, rest: Sequence[str]) -> Iterator[tuple[str, str]]:
    if rest and rest[0] in ("a", "an", "the"):
        yield "verb", word
    elif len(rest) > 1 and rest[0] in _STOPS and rest[1] in ("a", "an", "the"):
        if rest[0] not in _ARTICLES:
            yield "verb", f"{word} {rest[0]}"
    elif len(rest) < PHRASE_WORDS:
        yield from _whole("action", [word, *rest])


def _until_stop(words: Sequence[str]) -> int:
    """Words before the first that begins something else."""
    for place, word in enumerate(words):
        verb = word.endswith("ing") and word not in _NO_VERBS and place > 0
        if word in _STOPS or verb or not _WORD.match(word):
            return place
    return len(words)


def _whole(slot: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if 0 < len(words) <= PHRASE_WORDS + 1 and all(_WORD.match(word) for word in words):
        yield slot, " ".join(words)


def _adjectives(subjects: Mapping[str, int]) -> Counter[str]:
    """Words before several subjects that also stand alone, by the prompts that hold them."""
    heads: defaultdict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for subject, count in subjects.items():
        first, _, rest = subject.partition(" ")
        if rest in subjects:
            heads[first].add(rest)
            counts[first] += count
    return Counter({word: count for word, count in counts.items() if len(heads[word]) >= HEADS})


def _without(subjects: Mapping[str, int], adjectives: Mapping[str, int]) -> Counter[str]:
    """Subjects that are more than an adjective before another subject."""
    kept: Counter[str] = Counter()
    for subject, count in subjects.items():
        first, _, rest = subject.partition(" ")
        kept[rest if first in adjectives and rest in subjects else subject] += count
    return kept


def _frequent(counter: Mapping[str, int]) -> tuple[str, ...]:
    """The most frequent first, in alphabetical order where they are equal."""
    kept = [term for term, count in counter.items() if count >= LEAST]
    return tuple(sorted(kept, key=lambda term: (-counter[term], term))[:SIZE])
