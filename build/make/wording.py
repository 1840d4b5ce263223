"""Captions and terms -> the small changes of wording that let them stand inside a longer prompt."""

import re

ARTICLES = frozenset(
    "a an the one two three four five six some many several this these that there".split()
)
# Words that may occur twice in a prompt.
FUNCTION_WORDS = ARTICLES | frozenset(
    "and or of in on at by to with from for as is are it its his her their into over under near "
    "next behind beside inside out up down off through while".split()
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_VOWEL = re.compile(r"[aeiou]|hour|honest|heir|8|1[18]\b", re.IGNORECASE)
# Vowels that sound like "you" or "won": a unicorn, a utensil, a European, a one-eyed cat.
_NO_VOWEL = re.compile(r"uni[cfoqstv]|us[aeu]|ut[eio]|ukul|ura[ln]|e[uw]|one\b|once", re.IGNORECASE)


def as_clause(caption: str) -> str:
    """The caption without its full stop and with a lower-case first article."""
    text = caption.rstrip(" .,;:!")
    first, _, rest = text.partition(" ")
    return f"{first.lower()} {rest}" if rest and first.lower() in ARTICLES else text


def content_words(text: str) -> list[str]:
    """Lower-case words in order, without articles and prepositions."""
    found = [match[0].lower() for match in _WORD.finditer(text)]
    return [word for word in found if word not in FUNCTION_WORDS]


def article(following: str) -> str:
    """`a` or `an`, by the sound that `following` begins with."""
    sounds = _VOWEL.match(following) and not _NO_VOWEL.match(following)
    return "an" if sounds else "a"
