"""An answer -> how far to trust it, in words: the command line and the page say the same.

The numbers are those of the Inversion; `docs/inversion.md` documents the levels.
"""

from typing import NamedTuple

from unprompt.inversion.answer import Inversion

GOOD, FAIR = 0.6, 0.4  # lowest expected cosines, rounded to two decimals, of these levels
WORLDS = {"real": "real pictures"}  # in words; other worlds go by their own names
BLANK = "blank or nearly blank picture"
GUESSING = "no world of this bundle expects to do better than guessing"
CLASSIFIED = "outside what this bundle knows; the prompt names what an image classifier sees"


class Trust(NamedTuple):
    """What to say of one answer; None is nothing to say."""

    sure: str | None  # "good, about 0.82"; None: no data calibrates the answer
    world: str | None  # "real pictures", that answered; None: the bundle has one world
    blank: str | None
    outside: str | None

    def __str__(self) -> str:
        """All of it on one line, warnings first; empty where there is nothing to say."""
        sure = self.sure and f"how sure: {self.sure}"
        world = self.world and f"world: {self.world}"
        return "; ".join(part for part in (self.blank, self.outside, sure, world) if part)


def describe_trust(answer: Inversion) -> Trust:
    """Word the expected cosine, the world and the warnings of an answer."""
    outside = None
    if answer.outside:
        outside = CLASSIFIED if answer.world is None else GUESSING
    return Trust(
        sure=None if answer.expected_cosine is None else _sure(answer),
        world=answer.world and name_world(answer.world),
        blank=BLANK if answer.blank else None,
        outside=outside,
    )


def name_world(world: str) -> str:
    """The name of a world in words: `real` is "real pictures"."""
    return WORLDS.get(world, world)


def sure_level(expected: float) -> str:
    """An expected cosine -> good, fair or low."""
    shown = round(expected, 2)  # the level fits the number that is shown
    return "good" if shown >= GOOD else "fair" if shown >= FAIR else "low"


def _sure(answer: Inversion) -> str:
    expected = answer.expected_cosine or 0.0
    # A world may have a high constant: an answer that does not beat it is a guess all the same.
    level = "low" if answer.outside else sure_level(expected)
    return f"{level}, about {expected:.2f}"
