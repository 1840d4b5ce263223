"""Noise: uniform, Gaussian, salt and pepper, clouds, television static."""

import numpy as np
from PIL import Image

from unprompt.build.kinds.canvas import Dice, Drawn, between, from_array, pick, smooth_noise

SIDE = 256


def draw_noise(dice: Dice) -> Drawn:
    """Draw one of the kinds of noise."""
    return pick(dice, (_uniform, _gaussian, _speckles, _clouds, _static, _blocks))(dice)


def _uniform(dice: Dice) -> Drawn:
    color = bool(dice.random() < 0.6)
    values = dice.random((SIDE, SIDE, 3) if color else (SIDE, SIDE))
    what = "colored" if color else "gray"
    return Drawn(
        from_array(values),
        (f"random {what} noise", f"an image of {what} noise", f"random {what} pixels"),
    )


def _gaussian(dice: Dice) -> Drawn:
    color = bool(dice.random() < 0.5)
    shape = (SIDE, SIDE, 3) if color else (SIDE, SIDE)
    spread = 0.05 + 0.25 * dice.random()
    values = 0.5 + spread * dice.standard_normal(shape)
    what = "colored" if color else "gray"
    return Drawn(
        from_array(values),
        (f"{what} Gaussian noise", f"fine {what} grain, nothing else", f"{what} image noise"),
    )


def _speckles(dice: Dice) -> Drawn:
    share = 0.01 + 0.3 * dice.random()
    thrown = dice.random((SIDE, SIDE))
    values = np.full((SIDE, SIDE), 0.5)
    values[thrown < share] = 0.0
    values[thrown > 1.0 - share] = 1.0
    return Drawn(
        from_array(values),
        ("salt and pepper noise", "black and white dots on gray", "random black and white specks"),
    )


def _clouds(dice: Dice) -> Drawn:
    size, cells = (SIDE, SIDE), between(dice, 2, 8)
    if dice.random() < 0.5:
        values = smooth_noise(dice, size, cells)
        return Drawn(
            from_array(values),
            ("gray cloudy noise", "a soft gray cloud texture", "abstract gray smoke noise"),
        )
    values = np.stack([smooth_noise(dice, size, cells) for _ in range(3)], axis=2)
    return Drawn(
        from_array(values),
        ("colored cloudy noise", "a blurry texture of many colors", "abstract colored clouds"),
    )


def _static(dice: Dice) -> Drawn:
    rows = 0.3 + 0.7 * dice.random((SIDE, 1))
    streaks = dice.random((SIDE, SIDE)) * rows
    streaks[:: between(dice, 2, 4)] *= 0.4
    return Drawn(
        from_array(streaks),
        ("television static", "the snow of an old television without a signal", "gray TV noise"),
    )


def _blocks(dice: Dice) -> Drawn:
    cells = between(dice, 6, 40)
    small = from_array(dice.random((cells, cells, 3)))
    return Drawn(
        small.resize((SIDE, SIDE), Image.Resampling.NEAREST),
        ("a grid of random colors", "random colored squares", "a mosaic of random color blocks"),
    )
