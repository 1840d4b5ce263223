"""A folder of word lists -> the terms of each slot, and templates with slots.

FOLDER/subject.txt   the terms of {subject}, one a line; any name is a slot
FOLDER/template.txt  templates, one a line
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError

TEMPLATES = "template"
ARTICLE_SLOT = "a"  # {a} is "a" or "an"
SLOT = re.compile(r"\{([^{}]*)\}")


class TermLists(NamedTuple):
    """Terms by slot, and the templates that hold the slots."""

    slots: Mapping[str, tuple[str, ...]]
    templates: tuple[str, ...]


def shipped_term_lists() -> TermLists:
    """The lists and templates that ship with unprompt."""
    folder = files("unprompt.build.make").joinpath("lists")
    return _as_terms({entry.name[:-4]: _lines(entry) for entry in folder.iterdir()}, "the package")


def read_term_lists(folder: Path, base: TermLists | None = None) -> TermLists:
    """The lists of a folder; they replace those of `base` slot by slot.

    Raises ConfigError if the folder has no lists, or a template names a slot without terms.
    """
    paths = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    if not paths:
        raise ConfigError(
            f"{folder} holds no term lists; wanted files such as subject.txt and template.txt, "
            "one term a line; `unprompt make terms` writes some"
        )
    found: dict[str, Sequence[str]] = {path.stem: _lines(path) for path in paths}
    if base is not None:
        found = {**base.slots, TEMPLATES: base.templates, **found}
    return _as_terms(found, str(folder))


def write_term_lists(folder: Path, slots: Mapping[str, Sequence[str]]) -> None:
    """Write one file per slot."""
    for slot, terms in slots.items():
        with write_atomically(folder / f"{slot}.txt") as temporary:
            temporary.write_text("".join(f"{term}\n" for term in terms), encoding="utf-8")


def slots_of(template: str) -> list[str]:
    """The slots of a template that take a term, in order, with repeats."""
    return [name for name in SLOT.findall(template) if name != ARTICLE_SLOT]


def _as_terms(lists: Mapping[str, Sequence[str]], origin: str) -> TermLists:
    slots = {slot: tuple(terms) for slot, terms in lists.items() if slot != TEMPLATES}
    templates = tuple(lists.get(TEMPLATES, ()))
    for template in templates:
        unknown = [slot for slot in slots_of(template) if not slots.get(slot)]
        if unknown or not slots_of(template):
            raise ConfigError(
                f"{origin}: the template {template!r} needs terms for "
                f"{', '.join(unknown) or 'a slot'}; there are lists of {', '.join(sorted(slots))}"
            )
    if not templates:
        raise ConfigError(f"{origin} holds no templates; write some to {TEMPLATES}.txt")
    return TermLists(slots, templates)


def _lines(file: Traversable | Path) -> list[str]:
    """Distinct lines, without empty ones and comments."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the terms in {file}: {error}") from error
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
