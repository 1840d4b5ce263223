"""Gradients: between two colors, radial, rainbow, soft blobs, stripes."""

import numpy as np

from unprompt.build.kinds.canvas import COLORS, Dice, Drawn, between, from_array, pick

SIZES = ((256, 256), (384, 256), (256, 384))


def draw_gradient(dice: Dice) -> Drawn:
    """Draw one of the kinds of gradient."""
    return pick(dice, (_linear, _linear, _radial, _rainbow, _blobs, _stripes))(dice)


def _linear(dice: Dice) -> Drawn:
    first, second = _two_colors(dice)
    x, y = _grid(dice)
    angle = 2 * np.pi * dice.random()
    values = _mix(first, second, _unit(np.cos(angle) * x + np.sin(angle) * y))
    return Drawn(
        from_array(values),
        (f"a gradient from {first} to {second}", f"a smooth {first} and {second} gradient",
         f"a {first} to {second} background"),
    )  # fmt: skip


def _radial(dice: Dice) -> Drawn:
    first, second = _two_colors(dice)
    x, y = _grid(dice)
    values = _mix(first, second, _unit(np.hypot(x, y)))
    return Drawn(
        from_array(values),
        (f"a {first} glow on {second}", f"a radial gradient from {first} to {second}",
         f"a blurry {first} circle that fades into {second}"),
    )  # fmt: skip


def _rainbow(dice: Dice) -> Drawn:
    x, y = _grid(dice)
    phase = 2 * np.pi * _unit(x if dice.random() < 0.5 else x + y)
    values = np.stack([0.5 + 0.5 * np.cos(phase - shift) for shift in (0, 2.1, 4.2)], axis=2)
    return Drawn(
        from_array(values),
        (
            "a rainbow gradient",
            "all colors of the spectrum, blended",
            "a smooth rainbow background",
        ),
    )


def _blobs(dice: Dice) -> Drawn:
    x, y = _grid(dice)
    values = np.full((*x.shape, 3), 0.9)
    for _ in range(between(dice, 3, 6)):
        color = np.array(COLORS[pick(dice, tuple(COLORS))]) / 255.0
        across, down = dice.uniform(-1, 1, 2)
        share = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (0.1 + 0.4 * dice.random()))
        values += share[..., None] * (color - values)
    return Drawn(
        from_array(values),
        ("soft blurry blobs of color", "an abstract blurred background", "a smooth color mesh"),
    )


def _stripes(dice: Dice) -> Drawn:
    first, second = _two_colors(dice)
    x, y = _grid(dice)
    count, kind = between(dice, 3, 14), pick(dice, ("vertical", "horizontal", "diagonal"))
    along = {"vertical": x, "horizontal": y, "diagonal": x + y}[kind]
    values = _mix(first, second, (np.floor(count * _unit(along)) % 2))
    return Drawn(
        from_array(values),
        (f"{kind} {first} and {second} stripes", f"a {first} and {second} striped pattern",
         f"{kind} stripes"),
    )  # fmt: skip


def _two_colors(dice: Dice) -> tuple[str, str]:
    first, second = dice.choice(len(COLORS), 2, replace=False)
    names = tuple(COLORS)
    return names[int(first)], names[int(second)]


def _grid(dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    width, height = pick(dice, SIZES)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return x, y


def _unit(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.min()) / (values.max() - values.min()))


def _mix(first: str, second: str, share: np.ndarray) -> np.ndarray:
    start, end = (np.array(COLORS[name]) / 255.0 for name in (first, second))
    return np.asarray(start + share[..., None] * (end - start))
