"""Charts: lines, bars, a pie, points."""

import numpy as np
from PIL import Image, ImageDraw

from unprompt.build.kinds.canvas import (
    COLORS,
    VIVID,
    Color,
    Dice,
    Drawn,
    Theme,
    between,
    blank,
    choose_theme,
    pick,
    write,
)
from unprompt.build.kinds.words import title, word

SIZE = (480, 340)
PLOT = (56, 56, 456, 296)  # left, top, right, bottom


def draw_chart(dice: Dice) -> Drawn:
    """Draw one of the charts."""
    return pick(dice, (_lines, _bars, _pie, _points))(dice)


def _lines(dice: Dice) -> Drawn:
    theme, picture, pen = _axes(dice)
    left, top, right, bottom = PLOT
    count = between(dice, 1, 4)
    for color in _colors(dice, count):
        steps = dice.standard_normal(between(dice, 8, 40)).cumsum()
        heights = (steps - steps.min()) / max(1e-9, steps.max() - steps.min())
        across = np.linspace(left, right, len(heights))
        points = [
            (x, bottom - 8 - y * (bottom - top - 16)) for x, y in zip(across, heights, strict=True)
        ]
        pen.line(points, fill=color, width=3, joint="curve")
    lines = "one line" if count == 1 else f"{count} lines"
    return Drawn(
        picture,
        (f"a line chart with {lines}", "a line graph", f"a plot of {lines}, {theme.name} theme"),
    )


def _bars(dice: Dice) -> Drawn:
    theme, picture, pen = _axes(dice)
    left, top, right, bottom = PLOT
    count = between(dice, 4, 12)
    step = (right - left) / count
    color = theme.accent
    for place in range(count):
        if dice.random() < 0.2:
            color = COLORS[pick(dice, VIVID)]
        height = dice.uniform(0.1, 1.0) * (bottom - top - 10)
        x = left + step * place
        pen.rectangle((x + 0.15 * step, bottom - height, x + 0.85 * step, bottom), fill=color)
        write(pen, (x + step / 2, bottom + 12), word(dice)[:5], theme.faint, 9, anchor="mm")
    return Drawn(
        picture,
        (
            f"a bar chart with {count} bars",
            "a bar graph",
            f"a column chart in a {theme.name} theme",
        ),
    )


def _pie(dice: Dice) -> Drawn:
    theme = choose_theme(dice)
    picture, pen = blank(SIZE, theme.paper)
    write(pen, (SIZE[0] / 2, 28), title(dice, 3), theme.ink, 16, "bold", "mm")
    count = between(dice, 3, 6)
    shares = dice.dirichlet(np.full(count, 3.0))
    colors = _colors(dice, count)
    start = -90.0
    for place, (share, color) in enumerate(zip(shares, colors, strict=True)):
        pen.pieslice(
            (50, 64, 290, 304), start, start + 360 * share, fill=color, outline=theme.paper
        )
        start += 360 * share
        top = 96 + 28 * place
        pen.rectangle((330, top, 346, top + 16), fill=color)
        write(pen, (356, top + 8), f"{word(dice)} {share:.0%}", theme.ink, 12, anchor="lm")
    if dice.random() < 0.3:
        pen.ellipse((115, 129, 225, 239), fill=theme.paper)
    return Drawn(
        picture,
        (
            f"a pie chart with {count} slices",
            "a pie chart with a legend",
            "a round chart of shares",
        ),
    )


def _points(dice: Dice) -> Drawn:
    theme, picture, pen = _axes(dice)
    left, top, right, bottom = PLOT
    for color in _colors(dice, between(dice, 1, 3)):
        center = dice.uniform(0.3, 0.7, 2)
        cloud = center + 0.12 * dice.standard_normal((between(dice, 30, 120), 2))
        for x, y in cloud[(cloud > 0.02).all(axis=1) & (cloud < 0.98).all(axis=1)]:
            across, down = left + x * (right - left), bottom - y * (bottom - top)
            pen.ellipse((across - 3, down - 3, across + 3, down + 3), fill=color)
    return Drawn(
        picture,
        ("a scatter plot", "a plot of colored points", f"a scatter chart in a {theme.name} theme"),
    )


def _axes(dice: Dice) -> tuple[Theme, Image.Image, ImageDraw.ImageDraw]:
    """An empty plot with a title, a grid and numbers."""
    theme = choose_theme(dice)
    picture, pen = blank(SIZE, theme.paper)
    left, top, right, bottom = PLOT
    write(pen, (SIZE[0] / 2, 28), title(dice, 3), theme.ink, 16, "bold", "mm")
    scale = pick(dice, (1, 5, 10, 20, 100))
    for step in range(6):
        y = bottom - step * (bottom - top) / 5
        pen.line((left, y, right, y), fill=theme.line)
        write(pen, (left - 8, y), str(step * scale), theme.faint, 10, anchor="rm")
    pen.line((left, top, left, bottom), fill=theme.ink, width=2)
    pen.line((left, bottom, right, bottom), fill=theme.ink, width=2)
    write(pen, ((left + right) / 2, bottom + 30), word(dice), theme.faint, 11, anchor="mm")
    return theme, picture, pen


def _colors(dice: Dice, count: int) -> list[Color]:
    order = dice.permutation(len(VIVID))[:count]
    return [COLORS[VIVID[int(place)]] for place in order]
