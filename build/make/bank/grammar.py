"""Files of words and forms -> a grammar: the weighted alternatives of each rule.

# a comment
[name]                 the rule that the next lines define
fox | wolf             alternatives, several a line
3 * {a} {name} <now>   one of weight 3; {name} is a rule, {a} an article, <...> may be left out
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate

from unprompt.index.base.errors import ConfigError

ARTICLE = "a"  # {a} is "a" or "an", by the word that follows
START = "prompt"  # the rule of whole prompts; its alternatives are the kinds
PIECES = re.compile(r"\{([^{}]*)\}|([<>])")
_HEADER = re.compile(r"\[([^\[\]]+)\]$")
_WEIGHTED = re.compile(r"(\d+) \* (.+)")


@dataclass(frozen=True)
class Rule:
    """The alternatives of one name, and their running total of weights."""

    texts: tuple[str, ...]
    totals: tuple[int, ...]


@dataclass(frozen=True)
class Grammar:
    """Rules by name; every rule that a text names is there, and every text comes to an end."""

    rules: Mapping[str, Rule]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds of prompts."""
        return tuple(name for text in self.rules[START].texts for name in named_rules(text))


def shipped_grammar() -> Grammar:
    """The grammar that ships with unprompt."""
    folder = files("unprompt.build.make.bank").joinpath("words")
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return read_grammar(
        line for entry in entries for line in entry.read_text(encoding="utf-8").splitlines()
    )


def read_grammar(lines: Iterable[str]) -> Grammar:
    """Parse lines; raises ConfigError for a rule that is unknown, empty or never ends."""
    found: dict[str, list[tuple[int, str]]] = {}
    name = None
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        header = _HEADER.match(line)
        if header:
            name = header[1]
            if name in found:
                raise ConfigError(f"the rule [{name}] is defined twice; join its lines")
            found[name] = []
        elif name is None:
            raise ConfigError(f"{line!r} stands before the first rule; begin with a line [name]")
        else:
            found[name] += map(_weighted, line.split(" | "))
    rules = {name: _rule(name, texts) for name, texts in found.items()}
    _check_names(rules)
    _check_ends(rules)
    return Grammar(rules)


def named_rules(text: str) -> Iterator[str]:
    """The rules that a text names, in order."""
    for match in PIECES.finditer(text):
        if match[1] is not None and match[1] != ARTICLE:
            yield match[1]


def _weighted(text: str) -> tuple[int, str]:
    match = _WEIGHTED.match(text.strip())
    return (int(match[1]), match[2]) if match else (1, text.strip())


def _rule(name: str, texts: list[tuple[int, str]]) -> Rule:
    if not texts or any(weight < 1 or not text for weight, text in texts):
        raise ConfigError(f"the rule [{name}] needs texts of weight 1 or more, got {texts}")
    for _, text in texts:
        marks = [match[2] for match in PIECES.finditer(text) if match[2]]
        if "".join(marks) != "<>" * (len(marks) // 2):
            raise ConfigError(f"[{name}]: every < needs its >, not nested, got {text!r}")
    return Rule(tuple(text for _, text in texts), tuple(accumulate(w for w, _ in texts)))


def _check_names(rules: Mapping[str, Rule]) -> None:
    if START not in rules:
        raise ConfigError(f"a grammar needs the rule [{START}]; there are {', '.join(rules)}")
    for name, rule in rules.items():
        for text in rule.texts:
            unknown = [wanted for wanted in named_rules(text) if wanted not in rules]
            if unknown:
                raise ConfigError(f"[{name}]: {text!r} names the unknown rule {unknown[0]!r}")


def _check_ends(rules: Mapping[str, Rule]) -> None:
    """Refuse a rule that can reach itself: a prompt could grow without end."""
    open_rules = set(rules)
    while closed := {
        name
        for name in open_rules
        if not any(open_rules.intersection(named_rules(text)) for text in rules[name].texts)
    }:
        open_rules -= closed
    if open_rules:
        raise ConfigError(f"these rules lead back to themselves: {', '.join(sorted(open_rules))}")
