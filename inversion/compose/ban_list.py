"""Terms that a text must not hold: a list of terms -> does this text hold one."""

import re
from collections.abc import Iterable


class BanList:
    """Whole words and phrases, whatever their case."""

    def __init__(self, terms: Iterable[str]):
        # what is no letter or digit separates words, here as in the text that is searched
        cleaned = sorted({" ".join(_words(term)) for term in terms} - {""}, key=len, reverse=True)
        alternatives = "|".join(re.escape(term) for term in cleaned)
        self._pattern = re.compile(rf"(?:^| )(?:{alternatives})(?: |$)") if cleaned else None

    def hits(self, text: str) -> bool:
        """Whether the text holds a banned term."""
        return bool(self._pattern and self._pattern.search(" ".join(_words(text))))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
