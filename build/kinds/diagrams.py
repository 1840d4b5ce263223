"""Diagrams: a flow chart, a network, circles that overlap, a floor plan."""

import numpy as np
from PIL import Image, ImageDraw

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Dice,
    Drawn,
    Theme,
    between,
    blank,
    blend,
    choose_theme,
    pick,
    write,
)
from unprompt.build.kinds.words import word


def draw_diagram(dice: Dice) -> Drawn:
    """Draw one of the diagrams."""
    return pick(dice, (_flow, _network, _circles, _floor))(dice)


def _flow(dice: Dice) -> Drawn:
    theme = choose_theme(dice, dark=0.2)
    picture, pen = blank((400, 480), theme.paper)
    count = between(dice, 3, 5)
    for place in range(count):
        y = 60 + 90 * place
        if place + 1 < count:
            _arrow(pen, (200, y + 26), (200, y + 62), theme)
        if 0 < place < count - 1 and dice.random() < 0.5:
            corners = [(200, y - 34), (280, y), (200, y + 34), (120, y)]
            pen.polygon(corners, fill=blend(theme.paper, COLORS["yellow"], 0.4), outline=theme.ink)
            pen.line((280, y, 340, y), fill=theme.ink, width=2)
            _box(pen, (340, y), word(dice), theme, 46)
        else:
            _box(pen, (200, y), word(dice).capitalize(), theme, 70)
        write(pen, (200, y), word(dice).capitalize(), theme.ink, 13, anchor="mm")
    return Drawn(
        picture,
        ("a flow chart with boxes and arrows", "a diagram of a process", "a flow diagram"),
    )


def _box(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, theme: Theme, half: int
) -> None:
    x, y = place
    fill = blend(theme.paper, theme.accent, 0.25)
    pen.rounded_rectangle((x - half, y - 24, x + half, y + 24), 6, fill=fill, outline=theme.ink)
    if half < 60:
        write(pen, (x, y), text, theme.ink, 11, anchor="mm")


def _arrow(
    pen: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], theme: Theme
) -> None:
    pen.line((*start, *end), fill=theme.ink, width=2)
    x, y = end
    pen.polygon([(x - 6, y - 8), (x + 6, y - 8), (x, y + 2)], fill=theme.ink)


def _network(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank((420, 420), theme.paper)
    count = between(dice, 6, 16)
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = 90 + 90 * dice.random(count)
    places = np.stack([210 + radius * np.cos(turns), 210 + radius * np.sin(turns)], axis=1)
    for _ in range(between(dice, count, 2 * count)):
        first, second = dice.choice(count, 2, replace=False)
        pen.line((*places[first], *places[second]), fill=theme.faint, width=2)
    for x, y in places:
        size = between(dice, 9, 20)
        pen.ellipse((x - size, y - size, x + size, y + size), fill=COLORS[pick(dice, VIVID)],
                    outline=theme.ink)  # fmt: skip
    return Drawn(
        picture,
        ("a graph of nodes and edges", "a network diagram", "colored dots joined by lines"),
    )


def _circles(dice: Dice) -> Drawn:
    theme = choose_theme(dice, dark=0.2)
    picture = Image.new("RGB", (400, 360), theme.paper)
    count = between(dice, 2, 3)
    centers = [(150, 150), (250, 150), (200, 230)][:count]
    order = dice.permutation(len(VIVID))
    for place, (x, y) in enumerate(centers):
        layer = Image.new("RGB", picture.size, COLORS[VIVID[int(order[place])]])
        mask = Image.new("L", picture.size, 0)
        ImageDraw.Draw(mask).ellipse((x - 95, y - 95, x + 95, y + 95), fill=120)
        picture.paste(layer, mask=mask)
    pen = ImageDraw.Draw(picture)
    for x, y in centers:
        pen.ellipse((x - 95, y - 95, x + 95, y + 95), outline=theme.ink, width=2)
        shift = -40 if x < 200 else 40 if x > 200 else 0
        down = 40 if y > 200 else -10
        write(pen, (x + shift, y + down), word(dice).capitalize(), theme.ink, 13, "bold", "mm")
    return Drawn(
        picture,
        (f"a Venn diagram of {'two' if count == 2 else 'three'} circles", "a Venn diagram",
         "overlapping colored circles"),
    )  # fmt: skip


def _floor(dice: Dice) -> Drawn:
    blue = bool(dice.random() < 0.3)
    paper, ink = ((30, 70, 140), (230, 238, 250)) if blue else ((252, 252, 250), (30, 30, 34))
    picture, pen = blank((480, 360), paper)
    pen.rectangle((40, 40, 440, 320), outline=ink, width=6)
    x, y = between(dice, 160, 320), between(dice, 130, 230)
    pen.line((x, 40, x, 320), fill=ink, width=4)
    pen.line((40, y, x, y), fill=ink, width=4)
    second = between(dice, 120, 240)
    pen.line((x, second, 440, second), fill=ink, width=4)
    for left, top in ((x - 2, 60), (x - 2, 270)):
        pen.rectangle((left, top, left + 4, top + 30), fill=paper)
        pen.arc((left - 28, top, left + 32, top + 60), 180, 270, fill=ink, width=2)
    rooms = ("Kitchen", "Bath", "Living room", "Bedroom")
    for name, across, down in zip(
        rooms, (x // 2 + 20, x // 2 + 20, (x + 440) // 2, (x + 440) // 2),
        ((40 + y) // 2, (y + 320) // 2, (40 + second) // 2, (second + 320) // 2), strict=True
    ):  # fmt: skip
        write(pen, (across, down), name, ink, 12, anchor="mm")
    pen.line((40, 338, 440, 338), fill=ink)
    write(pen, (240, 348), f"{between(dice, 6, 20)} m", ink, 10, anchor="mm")
    what = "blueprint" if blue else "floor plan"
    return Drawn(
        picture,
        (f"a {what} of an apartment", "a floor plan with four rooms", "an architectural plan"),
    )
