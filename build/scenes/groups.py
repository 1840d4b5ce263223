"""How many copies, and their shape -> where they stand within the box of their thing."""

from dataclasses import dataclass

WIDE_ASPECT = 1.35
TALL_ASPECT = 0.68


@dataclass(frozen=True)
class Group:
    """`spots` are (x, rise) in shares of the box, back row first; a copy fits (width, height)."""

    spots: tuple[tuple[float, float], ...]
    width: float
    height: float


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


def choose_group(count: int, aspect: float) -> Group:
    """The arrangement of `count` copies of a drawing that is `aspect` times as wide as high."""
    if count == 1:
        return SINGLE
    if aspect > WIDE_ASPECT:
        return WIDE[count]
    return (TALL if aspect < TALL_ASPECT else EVEN)[count]
