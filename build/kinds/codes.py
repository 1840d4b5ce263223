"""Patterns of squares and bars: a QR-like code, a bar code, a chessboard, a maze, a crossword."""

import numpy as np
from PIL import Image

from unprompt.build.kinds.canvas import COLORS, Dice, Drawn, between, blank, from_array, pick, write

SIDE = 300


def draw_codes(dice: Dice) -> Drawn:
    """Draw one of the patterns."""
    return pick(dice, (_qr, _qr, _bars, _chessboard, _maze, _crossword))(dice)


def _qr(dice: Dice) -> Drawn:
    count = pick(dice, (21, 25, 29, 33))
    cells = (dice.random((count, count)) < 0.5).astype(float)
    for top, left in ((0, 0), (0, count - 7), (count - 7, 0)):
        cells[max(0, top - 1) : top + 8, max(0, left - 1) : left + 8] = 1.0
        cells[top : top + 7, left : left + 7] = 0.0
        cells[top + 1 : top + 6, left + 1 : left + 6] = 1.0
        cells[top + 2 : top + 5, left + 2 : left + 5] = 0.0
    framed = np.pad(cells, 3, constant_values=1.0)
    picture = from_array(framed).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return Drawn(
        picture,
        ("a QR code", "a black and white QR code", "a square matrix bar code on white"),
    )


def _bars(dice: Dice) -> Drawn:
    picture, pen = blank((360, 220), (255, 255, 255))
    x = 40
    while x < 318:
        width = between(dice, 1, 5)
        pen.rectangle((x, 30, x + width - 1, 160), fill=(0, 0, 0))
        x += width + between(dice, 1, 5)
    digits = " ".join(str(between(dice, 0, 9)) for _ in range(12))
    write(pen, (180, 182), digits, (0, 0, 0), 16, "mono", "mm")
    return Drawn(
        picture,
        ("a bar code with digits", "a black bar code on white", "the bar code of a product"),
    )


def _chessboard(dice: Dice) -> Drawn:
    count = pick(dice, (4, 6, 8, 8, 10, 16))
    names = [pick(dice, ("white", "beige", "gray")), pick(dice, ("black", "brown", "green", "red"))]
    picture, pen = blank((SIDE, SIDE), COLORS[names[0]])
    step = SIDE / count
    for row in range(count):
        for column in range(count):
            if (row + column) % 2:
                box = (column * step, row * step, (column + 1) * step, (row + 1) * step)
                pen.rectangle(box, fill=COLORS[names[1]])
    both = f"{names[0]} and {names[1]}"
    return Drawn(
        picture,
        (
            f"a {both} checkerboard",
            "an empty chessboard from above",
            f"{both} squares in a pattern",
        ),
    )


def _maze(dice: Dice) -> Drawn:
    """A maze by random depth-first search."""
    cells = between(dice, 8, 16)
    open_ = np.zeros((2 * cells + 1, 2 * cells + 1))
    path = [(0, 0)]
    open_[1, 1] = 1.0
    while path:
        row, column = path[-1]
        around = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        free = [
            (r, c) for r, c in around
            if 0 <= r < cells and 0 <= c < cells and not open_[2 * r + 1, 2 * c + 1]
        ]  # fmt: skip
        if not free:
            path.pop()
            continue
        r, c = free[int(dice.integers(len(free)))]
        open_[2 * r + 1, 2 * c + 1] = open_[row + r + 1, column + c + 1] = 1.0
        path.append((r, c))
    open_[1, 0] = open_[-2, -1] = 1.0
    picture = from_array(open_).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return Drawn(picture, ("a maze", "a black and white maze from above", "a labyrinth puzzle"))


def _crossword(dice: Dice) -> Drawn:
    count = between(dice, 8, 13)
    step = SIDE // count
    picture, pen = blank((step * count + 1, step * count + 1), (255, 255, 255))
    black = dice.random((count, count)) < 0.2
    black |= black[::-1, ::-1]
    letters = bool(dice.random() < 0.5)
    number = 1
    for row in range(count):
        for column in range(count):
            left, top = column * step, row * step
            fill = (0, 0, 0) if black[row, column] else (255, 255, 255)
            pen.rectangle((left, top, left + step, top + step), fill=fill, outline=(60, 60, 60))
            if black[row, column]:
                continue
            if dice.random() < 0.25:
                write(pen, (left + 2, top + 1), str(number), (60, 60, 60), 8)
                number += 1
            if letters and dice.random() < 0.6:
                letter = chr(65 + between(dice, 0, 25))
                write(
                    pen,
                    (left + step / 2, top + step / 2 + 2),
                    letter,
                    (20, 20, 90),
                    14,
                    anchor="mm",
                )
    return Drawn(
        picture,
        ("a crossword puzzle", f"{'a filled-in' if letters else 'an empty'} crossword grid",
         "a grid of white and black squares for a crossword"),
    )  # fmt: skip
