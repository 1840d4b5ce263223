"""Terms that a text must not hold: files and lists of terms -> does this text hold one."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from unprompt.index.errors import ConfigError

ARTISTS = "artists"  # the name of the list that ships with the package


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


def read_terms(names: Sequence[str]) -> tuple[str, ...]:
    """Terms from `artists` (the list that ships), files with a term a line, or as they are.

    Raises ConfigError where a name with a path's look has no file behind it.
    """
    terms: list[str] = []
    for name in names:
        if name == ARTISTS:
            lines = files("unprompt.inversion").joinpath("artists.txt").read_text("utf-8")
            terms += _lines(lines)
        elif Path(name).is_file():
            terms += _lines(Path(name).read_text(encoding="utf-8"))
        elif name.endswith(".txt"):
            raise ConfigError(f"--ban {name}: no such file; name a term, a file or `{ARTISTS}`")
        else:
            terms.append(name)
    return tuple(dict.fromkeys(terms))


def _lines(content: str) -> list[str]:
    return [
        line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
