"""Texts -> a test whether another text holds one of them whole, by its words."""

import re
from collections.abc import Iterable

LEAST = 4  # words of a text that counts: shorter ones are everybody's


class HeldTexts:
    """Texts of `LEAST` words or more. Case and punctuation do not matter."""

    def __init__(self, texts: Iterable[str]):
        self._by_start: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for text in texts:
            words = words_of(text)
            if len(words) >= LEAST:
                self._by_start.setdefault(words[:LEAST], set()).add(words)

    def within(self, text: str) -> str | None:
        """The words of a text that `text` holds, or None."""
        words = words_of(text)
        for start in range(len(words) - LEAST + 1):
            for held in self._by_start.get(words[start : start + LEAST], ()):
                if words[start : start + len(held)] == held:
                    return " ".join(held)
        return None


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation."""
    return tuple(re.findall(r"[^\W_]+", text.casefold()))
