"""The content of a prompt as values: a Scene and its Things."""

from dataclasses import dataclass

from unprompt.build.scenes.words.vocabulary import SceneObject

MAX_COUNT = 4
MAX_THINGS = 3


@dataclass(frozen=True)
class Thing:
    """ "two giant red foxes": an object, how many, and how they look."""

    object: SceneObject
    colour: str | None = None
    count: int = 1
    size: str | None = None


@dataclass(frozen=True)
class Scene:
    """One picture. None: not named in the prompt. `relation` is between the first two things."""

    things: tuple[Thing, ...]
    style: str | None = None
    setting: str | None = None
    relation: str | None = None
    light: str | None = None
    framing: str | None = None
