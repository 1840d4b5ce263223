"""Random generator -> Scene, with the probabilities of styles, settings, colours and counts."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from unprompt.build.scenes.scene import Scene, Thing
from unprompt.build.scenes.words.colours import COLOURS
from unprompt.build.scenes.words.phrases import (
    FRAMINGS,
    LIGHTS,
    RELATIONS,
    SETTINGS,
    SIZES,
    STYLES,
)
from unprompt.build.scenes.words.vocabulary import SceneObject, load_objects

THING_SHARES = (0.58, 0.32, 0.1)
COUNT_SHARES = (0.76, 0.12, 0.07, 0.05)
STYLE_SHARE = 0.85
SETTING_SHARE = 0.82
RELATION_SHARE = 0.75
COLOUR_SHARE = 0.28
SIZE_SHARE = 0.06
LIGHT_SHARE = 0.12
FRAMING_SHARE = 0.1
# A prompt must not name a colour that its style cannot show.
COLOURLESS_STYLES = frozenset(("black and white photo", "pencil sketch"))
# Objects that another one can be inside of.
HOLLOW_KINDS = frozenset(("building", "vehicle"))
HOLLOW_NAMES = frozenset(
    (
        "jar", "glass bottle", "cardboard box", "treasure chest", "bathtub", "basket", "bucket",
        "crystal ball", "light bulb", "teapot", "suitcase", "backpack", "balloon", "television",
        "washing machine", "speech bubble", "thought bubble", "framed painting", "toolbox",
        "shopping cart", "paper bag", "mirror", "egg", "full moon", "oil drum", "heart", "mailbox",
    )
)  # fmt: skip


def make_generator(*values: str | int) -> np.random.Generator:
    """A generator seeded with the sha256 of the values: the same in every process and machine."""
    digest = hashlib.sha256("\x1f".join(str(value) for value in values).encode("utf-8")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def sample_scene(rng: np.random.Generator) -> Scene:
    """Sample a scene with the probabilities above; all objects are equally likely."""
    number = 1 + int(rng.choice(len(THING_SHARES), p=THING_SHARES))
    relation = None
    if number > 1 and rng.random() < RELATION_SHARE:
        relation = _pick(rng, tuple(RELATIONS))
    objects = _pick_objects(rng, number, relation)
    style = _maybe(rng, STYLE_SHARE, tuple(STYLES))
    colours = () if style in COLOURLESS_STYLES else tuple(COLOURS)
    return Scene(
        things=tuple(_sample_thing(rng, found, colours) for found in objects),
        style=style,
        setting=_maybe(rng, SETTING_SHARE, tuple(SETTINGS)),
        relation=relation,
        light=_maybe(rng, LIGHT_SHARE, tuple(LIGHTS)),
        framing=_maybe(rng, FRAMING_SHARE, tuple(FRAMINGS)) if number == 1 else None,
    )


def _pick_objects(rng: np.random.Generator, number: int, relation: str | None) -> list[SceneObject]:
    objects = list(load_objects().values())
    chosen = [objects[i] for i in rng.choice(len(objects), size=number, replace=False)]
    if relation == "inside":
        hollow = _list_hollow()
        chosen[1] = hollow[int(rng.integers(len(hollow)))]
        if chosen[1] in (chosen[0], *chosen[2:]):
            return _pick_objects(rng, number, relation)
    return chosen


@lru_cache(maxsize=1)
def _list_hollow() -> list[SceneObject]:
    return [
        found
        for found in load_objects().values()
        if found.kind in HOLLOW_KINDS or found.name in HOLLOW_NAMES
    ]


def _sample_thing(rng: np.random.Generator, found: SceneObject, colours: tuple[str, ...]) -> Thing:
    return Thing(
        object=found,
        colour=_maybe(rng, COLOUR_SHARE, colours) if colours else None,
        count=1 + int(rng.choice(len(COUNT_SHARES), p=COUNT_SHARES)),
        size=_maybe(rng, SIZE_SHARE, SIZES),
    )


def _pick(rng: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(rng.integers(len(names)))]


def _maybe(rng: np.random.Generator, share: float, names: Sequence[str]) -> str | None:
    return _pick(rng, names) if rng.random() < share else None
