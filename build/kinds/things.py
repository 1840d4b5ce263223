"""Things of line drawings -> their strokes: lines through points, in a square from 0 to 1."""

from collections.abc import Callable, Sequence

import numpy as np

Stroke = Sequence[tuple[float, float]]


def circle(x: float, y: float, radius: float, start: float = 0.0, end: float = 1.0) -> Stroke:
    """An arc from `start` to `end`, as shares of a turn that begins on the right."""
    turns = np.linspace(2 * np.pi * start, 2 * np.pi * end, 24)
    return [(x + radius * np.cos(turn), y + radius * np.sin(turn)) for turn in turns]


def _house() -> list[Stroke]:
    return [
        [(0.2, 0.85), (0.2, 0.45), (0.8, 0.45), (0.8, 0.85), (0.2, 0.85)],
        [(0.14, 0.47), (0.5, 0.15), (0.86, 0.47)],
        [(0.44, 0.85), (0.44, 0.62), (0.58, 0.62), (0.58, 0.85)],
        [(0.27, 0.53), (0.38, 0.53), (0.38, 0.64), (0.27, 0.64), (0.27, 0.53)],
        [(0.65, 0.53), (0.75, 0.53), (0.75, 0.64), (0.65, 0.64), (0.65, 0.53)],
        [(0.66, 0.28), (0.66, 0.17), (0.73, 0.17), (0.73, 0.35)],
    ]


def _tree() -> list[Stroke]:
    crown = [
        circle(0.5 + dx, 0.32 + dy, 0.17) for dx, dy in ((-0.13, 0.03), (0.13, 0.03), (0, -0.1))
    ]
    return [
        *crown,
        [(0.45, 0.48), (0.45, 0.9)],
        [(0.55, 0.48), (0.55, 0.9)],
        [(0.3, 0.9), (0.7, 0.9)],
    ]


def _cat() -> list[Stroke]:
    whiskers = [
        [(0.5 + side * 0.1, 0.6 + dy), (0.5 + side * 0.36, 0.56 + 2 * dy)]
        for side in (-1, 1)
        for dy in (0.0, 0.03)
    ]
    return [
        circle(0.5, 0.55, 0.28),
        [(0.26, 0.4), (0.25, 0.14), (0.42, 0.28)],
        [(0.58, 0.28), (0.75, 0.14), (0.74, 0.4)],
        circle(0.4, 0.5, 0.035),
        circle(0.6, 0.5, 0.035),
        [(0.47, 0.6), (0.53, 0.6), (0.5, 0.64), (0.47, 0.6)],
        circle(0.45, 0.65, 0.05, 0.0, 0.5),
        circle(0.55, 0.65, 0.05, 0.0, 0.5),
        *whiskers,
    ]


def _fish() -> list[Stroke]:
    turns = np.linspace(0, 2 * np.pi, 30)
    body = [(0.44 + 0.28 * np.cos(t), 0.5 + 0.16 * np.sin(t)) for t in turns]
    return [
        body,
        [(0.71, 0.5), (0.88, 0.36), (0.88, 0.64), (0.71, 0.5)],
        circle(0.28, 0.46, 0.02),
        circle(0.3, 0.5, 0.13, -0.15, 0.15),
        [(0.42, 0.35), (0.5, 0.25), (0.54, 0.36)],
    ]


def _car() -> list[Stroke]:
    return [
        [(0.1, 0.66), (0.1, 0.52), (0.26, 0.5), (0.36, 0.34), (0.66, 0.34), (0.78, 0.5),
         (0.92, 0.54), (0.92, 0.66), (0.1, 0.66)],
        circle(0.28, 0.68, 0.09),
        circle(0.74, 0.68, 0.09),
        [(0.34, 0.48), (0.4, 0.39), (0.5, 0.39), (0.5, 0.48), (0.34, 0.48)],
        [(0.54, 0.39), (0.64, 0.39), (0.71, 0.48), (0.54, 0.48), (0.54, 0.39)],
    ]  # fmt: skip


def _flower() -> list[Stroke]:
    petals = [
        circle(0.5 + 0.15 * np.cos(t), 0.34 + 0.15 * np.sin(t), 0.09)
        for t in 2 * np.pi * np.arange(6) / 6
    ]
    leaf = [(0.5, 0.75), (0.6, 0.64), (0.68, 0.66), (0.62, 0.74), (0.5, 0.75)]
    return [*petals, circle(0.5, 0.34, 0.06), [(0.5, 0.5), (0.5, 0.92)], leaf]


def _boat() -> list[Stroke]:
    waves = [(0.05 + 0.05 * step, 0.8 + 0.02 * (step % 2)) for step in range(19)]
    return [
        [(0.18, 0.62), (0.82, 0.62), (0.7, 0.78), (0.3, 0.78), (0.18, 0.62)],
        [(0.5, 0.62), (0.5, 0.14)],
        [(0.53, 0.18), (0.76, 0.56), (0.53, 0.56), (0.53, 0.18)],
        [(0.47, 0.24), (0.3, 0.56), (0.47, 0.56), (0.47, 0.24)],
        waves,
    ]


def _face() -> list[Stroke]:
    mouth = circle(0.5, 0.55, 0.15, 0.07, 0.43)
    return [circle(0.5, 0.5, 0.35), circle(0.38, 0.42, 0.04), circle(0.62, 0.42, 0.04), mouth]


def _sun() -> list[Stroke]:
    rays = [
        [(0.5 + r * np.cos(t), 0.5 + r * np.sin(t)) for r in (0.24, 0.38)]
        for t in 2 * np.pi * np.arange(12) / 12
    ]
    return [circle(0.5, 0.5, 0.18), *rays]


def _cup() -> list[Stroke]:
    steam = [
        [(x, 0.32), (x + 0.03, 0.26), (x - 0.02, 0.2), (x + 0.02, 0.13)] for x in (0.38, 0.47, 0.56)
    ]
    return [
        [(0.27, 0.4), (0.3, 0.8), (0.62, 0.8), (0.66, 0.4), (0.27, 0.4)],
        circle(0.66, 0.56, 0.12, -0.2, 0.24),
        *steam,
    ]


def _person() -> list[Stroke]:
    return [
        circle(0.5, 0.22, 0.1),
        [(0.5, 0.32), (0.5, 0.62)],
        [(0.3, 0.5), (0.5, 0.4), (0.7, 0.5)],
        [(0.34, 0.9), (0.5, 0.62), (0.66, 0.9)],
    ]


def _mountains() -> list[Stroke]:
    return [
        [(0.05, 0.8), (0.32, 0.3), (0.52, 0.66)],
        [(0.42, 0.5), (0.66, 0.18), (0.95, 0.8)],
        [(0.24, 0.45), (0.3, 0.5), (0.35, 0.44), (0.4, 0.47)],
        circle(0.2, 0.2, 0.08),
        [(0.03, 0.8), (0.97, 0.8)],
    ]


def _heart() -> list[Stroke]:
    turns = np.linspace(0, 2 * np.pi, 50)
    across = 16 * np.sin(turns) ** 3
    up = 13 * np.cos(turns) - 5 * np.cos(2 * turns) - 2 * np.cos(3 * turns) - np.cos(4 * turns)
    return [[(0.5 + 0.02 * x, 0.48 - 0.02 * y) for x, y in zip(across, up, strict=True)]]


def _bicycle() -> list[Stroke]:
    return [
        circle(0.27, 0.66, 0.17),
        circle(0.75, 0.66, 0.17),
        [(0.27, 0.66), (0.4, 0.42), (0.68, 0.42), (0.49, 0.66), (0.27, 0.66)],
        [(0.49, 0.66), (0.38, 0.36)],
        [(0.33, 0.36), (0.43, 0.36)],
        [(0.75, 0.66), (0.66, 0.34), (0.74, 0.31)],
    ]


THINGS: dict[str, Callable[[], list[Stroke]]] = {
    "house": _house, "tree": _tree, "cat": _cat, "fish": _fish, "car": _car, "flower": _flower,
    "sailing boat": _boat, "smiling face": _face, "sun": _sun, "cup of coffee": _cup,
    "stick figure": _person, "mountain landscape": _mountains, "heart": _heart,
    "bicycle": _bicycle,
}  # fmt: skip
