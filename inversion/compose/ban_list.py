"""Banned terms -> a test whether a text contains one of them."""

import re
from collections.abc import Iterable


class BanList:
    """Whole words and phrases that a text must not contain. Case does not matter."""

    def __init__(self, terms: Iterable[str]):
        # Characters other than letters and digits separate words, in the terms as in the text.
        cleaned = sorted({" ".join(_words(term)) for term in terms} - {""}, key=len, reverse=True)
        alternatives = "|".join(re.escape(term) for term in cleaned)
        self._pattern = re.compile(rf"(?:^| )(?:{alternatives})(?: |$)") if cleaned else None

    def hits(self, text: str) -> bool:
        """Whether the text contains a banned term."""
        return bool(self._pattern and self._pattern.search(" ".join(_words(text))))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
