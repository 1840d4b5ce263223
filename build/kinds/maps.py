"""Maps: streets of a town, lines of a subway, an island, contour lines."""

import numpy as np
from PIL import ImageDraw

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Dice,
    Drawn,
    between,
    blank,
    blend,
    from_array,
    pick,
    smooth_noise,
    write,
)
from unprompt.build.kinds.words import word

SIZE = (480, 360)


def draw_map(dice: Dice) -> Drawn:
    """Draw one of the maps."""
    return pick(dice, (_streets, _streets, _subway, _island, _contours))(dice)


def _streets(dice: Dice) -> Drawn:
    picture, pen = blank(SIZE, (240, 237, 230))
    width, height = SIZE
    for _ in range(between(dice, 1, 3)):
        left, top = between(dice, 0, width - 120), between(dice, 0, height - 100)
        park = (left, top, left + between(dice, 60, 120), top + between(dice, 50, 100))
        pen.rounded_rectangle(park, 8, fill=(200, 226, 178))
    river = bool(dice.random() < 0.6)
    if river:
        across = np.linspace(-20, width + 20, 12)
        down = between(dice, 80, 280) + 14 * dice.standard_normal(12).cumsum()
        points = list(zip(across.tolist(), down.tolist(), strict=True))
        pen.line(points, fill=(165, 205, 235), width=between(dice, 18, 36), joint="curve")
    tilt = dice.uniform(-0.25, 0.25)
    for place in range(9):
        minor = place % 3 != 1
        _road(pen, (60 * place - 20, -10), (60 * place + 360 * tilt, height + 10), minor)
        _road(pen, (-10, 50 * place - 20), (width + 10, 50 * place - 20 + 160 * tilt), minor)
    _road(pen, (-10, between(dice, 0, height)), (width + 10, between(dice, 0, height)), False)
    for _ in range(between(dice, 5, 9)):
        name = f"{word(dice, 'places')} {pick(dice, ('Street', 'Road', 'Lane', 'Square'))}"
        spot = (between(dice, 40, width - 40), between(dice, 20, height - 20))
        write(pen, spot, name, (90, 86, 80), 10, anchor="mm")
    x, y = between(dice, 60, width - 60), between(dice, 60, height - 60)
    if dice.random() < 0.5:
        pen.ellipse((x - 9, y - 24, x + 9, y - 6), fill=COLORS["red"])
        pen.polygon([(x - 8, y - 12), (x + 8, y - 12), (x, y + 2)], fill=COLORS["red"])
    where = "a town with a river" if river else "a town"
    return Drawn(
        picture,
        (f"a street map of {where}", "a city map with streets and parks", "a road map"),
    )


def _road(
    pen: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], minor: bool
) -> None:
    edge, fill, width = ((205, 200, 192), (255, 255, 255), 7) if minor else (
        (220, 170, 80), (252, 214, 122), 12
    )  # fmt: skip
    pen.line((*start, *end), fill=edge, width=width + 2)
    pen.line((*start, *end), fill=fill, width=width)


def _subway(dice: Dice) -> Drawn:
    picture, pen = blank(SIZE, (255, 255, 255))
    count = between(dice, 3, 6)
    order = dice.permutation(len(VIVID))
    for place in range(count):
        color = COLORS[VIVID[int(order[place])]]
        x, y = 40, between(dice, 50, 310)
        points = [(x, y)]
        while x < 440:
            step = between(dice, 40, 90)
            slope = pick(dice, (-1, 0, 0, 1))
            x, y = x + step, min(320, max(40, y + slope * step))
            points.append((x, y))
        pen.line(points, fill=color, width=8, joint="curve")
        for number, (left, top) in enumerate(points):
            pen.ellipse(
                (left - 7, top - 7, left + 7, top + 7), fill="white", outline=(20, 20, 20), width=2
            )
            if number % 2 == 0:
                write(pen, (left + 4, top - 18), word(dice, "places"), (30, 30, 30), 10)
    return Drawn(
        picture,
        (f"a subway map with {count} colored lines", "a metro map", "a transit map with stations"),
    )


def _island(dice: Dice) -> Drawn:
    width, height = SIZE
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    land = smooth_noise(dice, SIZE, 4) - 0.45 * (x**2 + y**2) - 0.12
    old = bool(dice.random() < 0.5)
    colors = ((208, 190, 150), (236, 220, 180), (190, 165, 115), (160, 130, 85)) if old else (
        (110, 165, 215), (235, 220, 165), (130, 180, 95), (120, 110, 90)
    )  # fmt: skip
    levels = np.digitize(land, (0.0, 0.05, 0.35))
    picture = from_array(np.array(colors)[levels] / 255.0)
    pen = ImageDraw.Draw(picture)
    ink = (90, 60, 30) if old else (30, 40, 60)
    for _ in range(between(dice, 2, 4)):
        place = (between(dice, 90, width - 90), between(dice, 60, height - 60))
        write(pen, place, word(dice, "places"), ink, 12, "serif", "mm")
    if old:
        spot = (between(dice, 140, 340), between(dice, 110, 250))
        write(pen, spot, "X", COLORS["red"], 26, "bold", "mm")
        return Drawn(
            picture,
            ("an old treasure map of an island", "a treasure map with a red X", "an antique map"),
        )
    return Drawn(
        picture,
        ("a map of an island", "an island in a blue sea on a map", "a physical map of an island"),
    )


def _contours(dice: Dice) -> Drawn:
    heights = smooth_noise(dice, SIZE, between(dice, 2, 4), 3)
    count = between(dice, 8, 18)
    bands = np.floor(count * heights)
    edges = np.zeros(bands.shape, bool)
    edges[1:] |= bands[1:] != bands[:-1]
    edges[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    paper = np.array(pick(dice, ((250, 248, 238), (226, 238, 214), (255, 255, 255)))) / 255.0
    shade = blend((255, 255, 255), pick(dice, ((170, 140, 90), (120, 160, 100))), 0.5)
    tint = np.array(shade) / 255.0
    values = paper + 0.4 * heights[..., None] * (tint - paper)
    values[edges] = np.array((140, 90, 50)) / 255.0
    return Drawn(
        from_array(values),
        ("a topographic map with contour lines", "contour lines of hills", "a map of heights"),
    )
