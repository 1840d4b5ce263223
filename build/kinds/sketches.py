"""Line drawings: simple things drawn with a shaky pen, scribbles, geometric shapes."""

import numpy as np
from PIL import Image, ImageDraw

from unprompt.build.kinds.canvas import COLORS, Color, Dice, Drawn, between, blank, pick
from unprompt.build.kinds.things import THINGS

SIDE = 320
SCALE = 2  # drawn larger and scaled down, for smooth lines
PAPERS = ((255, 255, 255), (253, 251, 245), (244, 240, 228))
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
SHAPES = ("circle", "square", "triangle", "star")


def draw_sketch(dice: Dice) -> Drawn:
    """Draw a thing, a scribble or shapes."""
    chance = dice.random()
    if chance < 0.65:
        return _thing(dice)
    return _scribble(dice) if chance < 0.78 else _shapes(dice)


def _thing(dice: Dice) -> Drawn:
    name = pick(dice, tuple(THINGS))
    picture, pen = _paper(dice)
    ink = pick(dice, ((20, 20, 24), (40, 44, 90), (60, 60, 60), COLORS["red"], COLORS["blue"]))
    width = SCALE * between(dice, 2, 6)
    shift, size = dice.uniform(-0.06, 0.06, 2), dice.uniform(0.75, 1.1)
    flip = bool(dice.random() < 0.5)
    for stroke in THINGS[name]():
        points = (np.asarray(stroke) - 0.5) * size + 0.5 + shift
        if flip:
            points[:, 0] = 1.0 - points[:, 0]
        _pull(pen, dice, points, ink, width)
    article = "an" if name[0] in "aeiou" else "a"
    return Drawn(
        _finish(picture),
        (f"a simple line drawing of {article} {name}", f"a doodle of {article} {name}",
         f"{article} {name}, drawn with a pen on paper"),
    )  # fmt: skip


def _pull(pen: ImageDraw.ImageDraw, dice: Dice, points: np.ndarray, ink: Color, width: int) -> None:
    """Draw one stroke with a hand that shakes a little."""
    spaces = np.linspace(0, len(points) - 1, max(2, 6 * len(points)))
    fine = np.stack([np.interp(spaces, range(len(points)), points[:, axis]) for axis in (0, 1)], 1)
    shaken = fine + 0.002 * dice.standard_normal(fine.shape).cumsum(axis=0) / 2
    line = [tuple(point) for point in (SCALE * SIDE * shaken).tolist()]
    pen.line(line, fill=ink, width=width, joint="curve")
    for x, y in (line[0], line[-1]):
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)


def _scribble(dice: Dice) -> Drawn:
    picture, pen = _paper(dice)
    ink = COLORS[pick(dice, ("black", "blue", "red", "green", "purple"))]
    for _ in range(between(dice, 1, 4)):
        steps = dice.standard_normal((between(dice, 20, 90), 2)).cumsum(axis=0)
        low, high = steps.min(axis=0), steps.max(axis=0)
        points = 0.1 + 0.8 * (steps - low) / np.maximum(high - low, 1e-9)
        _pull(pen, dice, points, ink, SCALE * between(dice, 1, 4))
    return Drawn(
        _finish(picture),
        ("random scribbles on paper", "a scribble with a pen", "tangled lines without meaning"),
    )


def _shapes(dice: Dice) -> Drawn:
    picture, pen = _paper(dice)
    name, color = (
        pick(dice, SHAPES),
        pick(dice, ("red", "blue", "green", "yellow", "purple", "black")),
    )
    count = between(dice, 1, 6)
    filled = bool(dice.random() < 0.6)
    places = dice.permutation(9)[:count]
    for place in places:
        x, y = (SCALE * SIDE * (0.2 + 0.3 * part) for part in (place % 3, place // 3))
        radius = SCALE * between(dice, 22, 40)
        fill = COLORS[color] if filled else None
        _shape(pen, name, (float(x), float(y)), radius, fill, COLORS[color])
    what = f"{NUMBERS[count]} {color} {name}{'' if count == 1 else 's'}"
    return Drawn(
        _finish(picture),
        (f"{what} on white paper", what, f"a drawing of {what}"),
    )


def _shape(
    pen: ImageDraw.ImageDraw,
    name: str,
    place: tuple[float, float],
    radius: int,
    fill: Color | None,
    line: Color,
) -> None:
    x, y = place
    if name == "circle":
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=fill, outline=line, width=6
        )
        return
    corners, inner = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (10, 0.45)}[name]
    start = np.pi / 4 if name == "square" else -np.pi / 2
    turns = start + 2 * np.pi * np.arange(corners) / corners
    lengths = np.where(np.arange(corners) % 2, radius * inner, radius)
    points = [(x + r * np.cos(t), y + r * np.sin(t)) for r, t in zip(lengths, turns, strict=True)]
    pen.polygon(points, fill=fill, outline=line, width=6)


def _paper(dice: Dice) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    return blank((SCALE * SIDE, SCALE * SIDE), pick(dice, PAPERS))


def _finish(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
