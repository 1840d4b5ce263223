"""Blank and nearly blank frames: one color, one color with grain, a dot, a frame."""

import numpy as np
from PIL import Image, ImageDraw

from unprompt.build.kinds.canvas import COLORS, Dice, Drawn, between, blend, from_array, pick

CLEAR = 150  # sum of the differences of red, green and blue
SIZES = ((256, 256), (384, 256), (256, 384), (512, 288))


def draw_blank(dice: Dice) -> Drawn:
    """Draw a blank or nearly blank picture."""
    size = pick(dice, SIZES)
    # white, black and gray are what blank pictures mostly are
    names = ("white", "black", "gray") if dice.random() < 0.5 else tuple(COLORS)
    name = pick(dice, names)
    color = COLORS[name]
    if dice.random() < 0.35:
        return Drawn(
            Image.new("RGB", size, color),
            (f"a blank {name} image", f"plain {name}", f"a solid {name} background"),
        )
    return pick(dice, (_grain, _vignette, _dot, _frame))(dice, size, name)


def _grain(dice: Dice, size: tuple[int, int], name: str) -> Drawn:
    width, height = size
    base = np.array(COLORS[name]) / 255.0
    noise = (0.005 + 0.02 * dice.random()) * dice.standard_normal((height, width, 1))
    return Drawn(
        from_array(base + noise),
        (
            f"an empty {name} image with slight grain",
            f"a plain {name} surface",
            f"nothing but {name}",
        ),
    )


def _vignette(dice: Dice, size: tuple[int, int], name: str) -> Drawn:
    width, height = size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade = 1.0 - (0.05 + 0.15 * dice.random()) * (x**2 + y**2)
    values = np.array(COLORS[name]) / 255.0 * shade[..., None]
    return Drawn(
        from_array(values),
        (f"an empty {name} wall", f"a blank {name} image, darker at the edges", f"plain {name}"),
    )


def _dot(dice: Dice, size: tuple[int, int], name: str) -> Drawn:
    picture = Image.new("RGB", size, COLORS[name])
    pen = ImageDraw.Draw(picture)
    other = pick(dice, [color for color in COLORS if _distance(color, name) > CLEAR])
    radius = between(dice, 2, 6)
    x, y = between(dice, 20, size[0] - 20), between(dice, 20, size[1] - 20)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLORS[other])
    return Drawn(
        picture,
        (f"a {other} dot on {name}", f"a tiny {other} dot on a {name} background",
         f"an almost empty {name} image with one {other} spot"),
    )  # fmt: skip


def _frame(dice: Dice, size: tuple[int, int], name: str) -> Drawn:
    picture = Image.new("RGB", size, COLORS[name])
    other = "black" if name != "black" else "white"
    edge = blend(COLORS[name], COLORS[other], 0.3 + 0.7 * dice.random())
    ImageDraw.Draw(picture).rectangle(
        (0, 0, size[0] - 1, size[1] - 1), outline=edge, width=between(dice, 1, 8)
    )
    return Drawn(
        picture,
        (
            f"a blank {name} frame",
            f"an empty {name} rectangle",
            f"a {name} image with a thin border",
        ),
    )


def _distance(first: str, second: str) -> int:
    return sum(abs(a - b) for a, b in zip(COLORS[first], COLORS[second], strict=True))
