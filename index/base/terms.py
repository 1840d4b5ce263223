"""Names of lists, files or single terms -> the terms, each once: what a text must not hold."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from unprompt.index.base.errors import ConfigError

ARTISTS = "artists"  # the name of the list that ships with the package


def read_terms(names: Sequence[str]) -> tuple[str, ...]:
    """Terms from `artists` (the list that ships), files with a term a line, or as they are.

    Raises ConfigError where a name with a path's look has no file behind it.
    """
    terms: list[str] = []
    for name in names:
        if name == ARTISTS:
            terms += _lines(files("unprompt.index.base").joinpath("artists.txt").read_text("utf-8"))
        elif Path(name).is_file():
            terms += _lines(Path(name).read_text(encoding="utf-8"))
        elif name.endswith(".txt"):
            raise ConfigError(f"{name}: no such file; name a term, a file or `{ARTISTS}`")
        else:
            terms.append(name)
    return tuple(dict.fromkeys(terms))


def _lines(content: str) -> list[str]:
    return [
        line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")
    ]
