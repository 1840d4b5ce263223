"""Random numbers -> words, sentences, names and identifiers for drawn screens and maps."""

from functools import cache
from pathlib import Path

import yaml

from unprompt.build.kinds.canvas import Dice, pick


@cache
def word_lists() -> dict[str, list[str]]:
    """The lists of words.yaml by name."""
    text = (Path(__file__).parent / "words.yaml").read_text(encoding="utf-8")
    return {name: [str(word) for word in words] for name, words in yaml.safe_load(text).items()}


def word(dice: Dice, kind: str = "nouns") -> str:
    """A word of one list."""
    return pick(dice, word_lists()[kind])


def title(dice: Dice, count: int = 2) -> str:
    """A heading of some words."""
    words = [word(dice, "adjectives") for _ in range(count - 1)] + [word(dice)]
    return " ".join(words).capitalize()


def sentence(dice: Dice) -> str:
    """A sentence that reads like text and says little."""
    parts = [_clause(dice)]
    if dice.random() < 0.5:
        parts += [word(dice, "links"), _clause(dice)]
    return " ".join(parts).capitalize() + "."


def paragraph(dice: Dice, sentences: int) -> str:
    """Some sentences."""
    return " ".join(sentence(dice) for _ in range(sentences))


def identifier(dice: Dice) -> str:
    """A name in a program, such as read_index."""
    return "_".join(word(dice) for _ in range(int(dice.integers(1, 3))))


def _clause(dice: Dice) -> str:
    return (
        f"the {word(dice, 'adjectives')} {word(dice)} {word(dice, 'verbs')} "
        f"{pick(dice, ('a', 'the', 'every'))} {word(dice)}"
    )
