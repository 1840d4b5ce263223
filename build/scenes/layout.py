"""Scene -> the position of every copy of every thing, in a frame of side 1, back to front."""

from dataclasses import dataclass, replace

import numpy as np

from unprompt.build.scenes.scene import Scene, Thing


@dataclass(frozen=True)
class Placement:
    """One copy of a thing: it fits (width, height), with its bottom center at (x, base)."""

    thing: int
    x: float
    base: float
    width: float
    height: float
    mirror: bool
    turn: float
    floating: bool = False


@dataclass(frozen=True)
class Box:
    """The room for one thing and its copies: center x, bottom y, width, height."""

    x: float
    base: float
    width: float
    height: float
    floating: bool = False


@dataclass(frozen=True)
class Group:
    """Where copies stand in their box, in shares of it: (x, rise) per copy, back row first."""

    spots: tuple[tuple[float, float], ...]
    width: float
    height: float


WIDE_ASPECT = 1.35
TALL_ASPECT = 0.68
SINGLE = Group(((0.0, 0.0),), 1.0, 1.0)
EVEN = {
    2: Group(((-0.27, 0.05), (0.27, 0.0)), 0.53, 0.74),
    3: Group(((0.0, 0.43), (-0.27, 0.02), (0.27, 0.0)), 0.5, 0.5),
    4: Group(((-0.25, 0.48), (0.26, 0.46), (-0.28, 0.02), (0.25, 0.0)), 0.48, 0.46),
}
WIDE = {
    2: Group(((-0.08, 0.48), (0.08, 0.0)), 0.86, 0.5),
    3: Group(((0.1, 0.62), (-0.1, 0.31), (0.08, 0.0)), 0.78, 0.38),
    4: Group(((-0.24, 0.46), (0.26, 0.4), (-0.27, 0.04), (0.23, 0.0)), 0.56, 0.5),
}
TALL = {
    2: Group(((-0.22, 0.04), (0.22, 0.0)), 0.6, 0.94),
    3: Group(((0.0, 0.1), (-0.3, 0.02), (0.3, 0.0)), 0.5, 0.84),
    4: Group(((-0.14, 0.16), (0.16, 0.14), (-0.36, 0.02), (0.36, 0.0)), 0.42, 0.76),
}
SIZE_FACTORS = {"tiny": 0.55, "giant": 1.3}
FRAMING_FACTORS = {"close-up": 1.24, "wide": 0.66}
FREE_EDGE = 0.015
# Calendars, shop fronts and similar objects carry letters, which must not be mirrored.
LETTERED_KINDS = frozenset(("household", "building"))


def lay_out(scene: Scene, aspects: list[float], rng: np.random.Generator) -> list[Placement]:
    """Placements from back to front; `aspects` are width / height of each thing's drawing."""
    boxes = _choose_boxes(scene, aspects, rng)
    order = list(range(len(boxes)))
    if scene.relation == "in front of":
        order = [1, 0, *order[2:]]
    elif scene.relation in ("inside", "on top of"):
        order = [1, 0, *order[2:]]
    if len(order) == 3 and scene.relation:
        order = [2, *order[:2]]
    placements: list[Placement] = []
    for index in order:
        group = _choose_group(scene.things[index].count, aspects[index])
        placements += _arrange_copies(index, scene.things[index], boxes[index], group, rng)
    return placements


def _choose_boxes(scene: Scene, aspects: list[float], rng: np.random.Generator) -> list[Box]:
    drift = float(rng.uniform(-0.03, 0.03))
    base = float(rng.uniform(0.88, 0.93))
    framing = FRAMING_FACTORS.get(scene.framing or "", 1.0)
    if len(scene.things) == 1:
        single = Box(0.5 + drift, base, 0.86, 0.74)
        return [_resize(single, scene.things[0], framing)]
    if scene.relation:
        boxes = _relate(scene, aspects, base, rng)
    elif len(scene.things) == 2:
        boxes = [Box(0.27 + drift, base - 0.03, 0.5, 0.6), Box(0.73 + drift, base, 0.5, 0.6)]
    else:
        boxes = [
            Box(0.25, base - 0.02, 0.48, 0.46),
            Box(0.76, base, 0.48, 0.46),
            Box(0.5 + drift, base - 0.42, 0.46, 0.42),
        ]
    if len(scene.things) == 3 and scene.relation:
        boxes = _make_room(boxes, base, bool(rng.random() < 0.5))
    grown = [_resize(box, thing, framing) for box, thing in zip(boxes, scene.things, strict=True)]
    if scene.relation == "on top of":
        grown[0] = replace(grown[0], base=_find_top(grown[1], scene.things[1], aspects[1]))
    return grown


def _choose_group(count: int, aspect: float) -> Group:
    """The arrangement of `count` copies of a drawing with `aspect` = width / height."""
    if count == 1:
        return SINGLE
    if aspect > WIDE_ASPECT:
        return WIDE[count]
    return (TALL if aspect < TALL_ASPECT else EVEN)[count]


def _relate(scene: Scene, aspects: list[float], base: float, rng: np.random.Generator) -> list[Box]:
    drift = float(rng.uniform(-0.04, 0.04))
    side = float(rng.choice((-1.0, 1.0)))
    left = Box(0.27 + drift, base - 0.02, 0.5, 0.6)
    right = Box(0.74 + drift, base, 0.5, 0.6)
    far = Box(0.5 + side * 0.14, base - 0.16, 0.7, 0.64)
    near = Box(0.5 - side * 0.2, base + 0.02, 0.52, 0.46)
    match scene.relation:
        case "left of":
            return [left, right]
        case "right of":
            return [right, left]
        case "above":
            return [Box(0.5 + drift, 0.47, 0.72, 0.43, True), Box(0.5 - drift, base, 0.72, 0.43)]
        case "behind":
            return [far, near]
        case "in front of":
            return [near, far]
        case "inside":
            outer = Box(0.5 + drift, 0.95, 0.92, 0.86)
            middle = 0.95 - 0.5 * _ink_height(outer, scene.things[1], aspects[1])
            return [Box(0.5 + drift, middle + 0.2, 0.5, 0.42, True), outer]
        case "on top of":
            lower = Box(0.5 + drift, base + 0.02, 0.74, 0.46)
            return [Box(0.5 + drift, base - 0.42, 0.6, 0.43, True), lower]
        case _:
            return [left, right] if side > 0 else [right, left]


def _make_room(boxes: list[Box], base: float, on_the_left: bool) -> list[Box]:
    """Move the related pair to one side and put the third thing on the other."""
    shift = 0.3 if on_the_left else 0.0
    pair = [
        replace(
            box,
            x=shift + box.x * 0.7,
            base=base - (base - box.base) * 0.82,
            width=box.width * 0.8,
            height=box.height * 0.82,
        )
        for box in boxes
    ]
    third = Box(0.19 if on_the_left else 0.81, base - 0.05, 0.4, 0.4)
    return [*pair, third]


def _resize(box: Box, thing: Thing, factor: float) -> Box:
    factor *= SIZE_FACTORS.get(thing.size or "", 1.0)
    sink = 0.05 if factor > 1.2 and not box.floating else 0.0
    lift = (1 - factor) * 0.25 * box.height if factor < 1 and not box.floating else 0.0
    return replace(
        box, width=box.width * factor, height=box.height * factor, base=box.base + sink - lift * 0.4
    )


def _ink_height(box: Box, thing: Thing, aspect: float) -> float:
    group = _choose_group(thing.count, aspect)
    top = max(rise for _, rise in group.spots)
    return min(box.height * group.height, box.width * group.width / aspect) + top * box.height


def _find_top(box: Box, thing: Thing, aspect: float) -> float:
    return box.base - _ink_height(box, thing, aspect) * 0.94


def _arrange_copies(
    index: int, thing: Thing, box: Box, group: Group, rng: np.random.Generator
) -> list[Placement]:
    placements = []
    for across, rise in group.spots:
        grow = float(rng.uniform(0.94, 1.05))
        base = box.base - rise * box.height
        height = box.height * group.height * grow
        if box.height < 1:
            height = max(min(height, base - FREE_EDGE), 0.12)
        placements.append(
            Placement(
                thing=index,
                x=box.x + across * box.width + float(rng.uniform(-0.015, 0.015)),
                base=base,
                width=box.width * group.width * grow,
                height=height,
                mirror=bool(rng.random() < 0.5) and thing.object.kind not in LETTERED_KINDS,
                turn=float(rng.uniform(-5, 5)),
                floating=box.floating,
            )
        )
    return placements
