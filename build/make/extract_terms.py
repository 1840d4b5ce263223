"""Prompts that people wrote -> word lists to combine: the terms of each slot, by frequency.

The rules look at positions only and parse no grammar. A term needs several prompts.

medium     the words before "of a" at the start: "oil painting" in "an oil painting of a fox"
subject    the words after "a" or "an", up to a preposition, verb or comma; none if "of" follows
adjective  the first word of several subjects
verb       "riding" before an article; "sitting on" before a preposition and an article
action     "smiling" and the words up to the end of the phrase
setting    a preposition of place and the words after it
style      the words after "in the style of"
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from unprompt.index.base.errors import CorpusError

MIN_PROMPTS = 3  # prompts per term
MAX_TERMS = 2000  # per slot
MIN_SUBJECTS = 3  # different subjects per adjective
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
    """The most frequent terms of each slot; raises CorpusError if there is no subject."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for prompt in prompts:
        for slot, term in {*_terms_of(prompt)}:
            counts[slot][term] += 1
    for medium in counts["medium"]:  # "a painting" is not a subject
        del counts["subject"][medium]
    adjectives = _adjectives(counts["subject"])
    found = {
        slot: _frequent(_without(counter, adjectives) if slot == "subject" else counter)
        for slot, counter in counts.items()
    }
    found["adjective"] = _frequent(adjectives)
    if not found.get("subject"):
        raise CorpusError(
            f"no subject, such as `fox` in `a fox in the snow`, stands in {MIN_PROMPTS} prompts or "
            "more; give more prompts, or write the term lists by hand"
        )
    return {slot: terms for slot, terms in sorted(found.items()) if terms}


def _terms_of(prompt: str) -> Iterator[tuple[str, str]]:
    """(slot, term) pairs of one prompt."""
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
    """Number of words before one that starts another part of the sentence."""
    for place, word in enumerate(words):
        verb = word.endswith("ing") and word not in _NO_VERBS and place > 0
        if word in _STOPS or verb or not _WORD.match(word):
            return place
    return len(words)


def _whole(slot: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if 0 < len(words) <= PHRASE_WORDS + 1 and all(_WORD.match(word) for word in words):
        yield slot, " ".join(words)


def _adjectives(subjects: Mapping[str, int]) -> Counter[str]:
    """First words of several subjects that also occur without them, and their prompts."""
    heads: defaultdict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for subject, count in subjects.items():
        first, _, rest = subject.partition(" ")
        if rest in subjects:
            heads[first].add(rest)
            counts[first] += count
    return Counter(
        {word: count for word, count in counts.items() if len(heads[word]) >= MIN_SUBJECTS}
    )


def _without(subjects: Mapping[str, int], adjectives: Mapping[str, int]) -> Counter[str]:
    """Subjects, with the counts of "adjective subject" added to the subject alone."""
    kept: Counter[str] = Counter()
    for subject, count in subjects.items():
        first, _, rest = subject.partition(" ")
        kept[rest if first in adjectives and rest in subjects else subject] += count
    return kept


def _frequent(counter: Mapping[str, int]) -> tuple[str, ...]:
    """Terms of `MIN_PROMPTS` or more, the most frequent first, then in alphabetical order."""
    kept = [term for term, count in counter.items() if count >= MIN_PROMPTS]
    return tuple(sorted(kept, key=lambda term: (-counter[term], term))[:MAX_TERMS])
