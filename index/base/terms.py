"""Names of lists, files or single terms -> the terms that a text must not contain."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from unprompt.index.base.errors import ConfigError

ARTISTS = "artists"  # the list that is part of the package


def read_terms(names: Sequence[str]) -> tuple[str, ...]:
    """Terms from the built-in list `artists`, from files with one term per line, or given directly.

    Duplicates are removed. Raises ConfigError for a name that ends in .txt and is no file.
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
