"""Worlds and labelled pictures -> what each world says of them, the input of a router's fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic.dataclasses import dataclass as settings_dataclass

from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import STRICT
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.router import NEITHER
from unprompt.inversion.estimate.world import World

BLOCK = 512  # pictures that a world is asked about together
LEAST = 8  # pictures of every class, and foreign pictures of every world


@settings_dataclass(frozen=True, config=STRICT)
class RouterConfig:
    """What the fit of a router tries; what is best on pictures left out is used."""

    penalties: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3)  # on the squared weights
    signals: bool = True  # also try the worlds' signals as features
    temperatures: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)  # of a mix of the worlds' answers
    folds: int = 4
    smallest_gain: float = 1e-3  # in mean cosine, that a mix must reach
    components: int = 256  # principal axes of all keys side by side, at most

    def __post_init__(self) -> None:
        if not self.penalties or min((*self.penalties, *self.temperatures)) <= 0 or self.folds < 2:
            raise ConfigError(
                f"a router needs penalties and temperatures over 0 and 2 folds or more, got {self}"
            )


DEFAULT = RouterConfig()


@dataclass(frozen=True)
class WorldView:
    """What one world says of n pictures, its own and others."""

    name: str
    space: str  # of the encoder of its main member
    keys: np.ndarray  # (n, d_w) of its main member
    signals: np.ndarray  # (n, s)
    answers: np.ndarray  # (n, d_prompt) unit length
    confidence: Confidence  # on its own pictures
    mean: np.ndarray  # (d_prompt,) the mean target vector, its constant answer

    def take(self, rows: np.ndarray) -> "WorldView":
        """The pictures at positions or under a mask `rows`."""
        return replace(
            self, keys=self.keys[rows], signals=self.signals[rows], answers=self.answers[rows]
        )


@dataclass(frozen=True)
class Labels:
    """What is known of n pictures."""

    world: np.ndarray  # (n,) position of the world they belong to; from the number of worlds: kind
    truth: np.ndarray  # (n, d_prompt) unit vectors of their prompts; zero where there is none
    group: np.ndarray | None = None  # (n,) pictures of a group, such as a prompt, stay together
    kinds: tuple[str, ...] = (NEITHER,)  # names of the kinds that belong to no world

    @property
    def known(self) -> np.ndarray:
        """Whether the true prompt is known, (n,) bool."""
        return np.asarray(np.any(self.truth != 0, axis=1))

    @property
    def groups(self) -> np.ndarray:
        """The group of every picture (n,), by default its own."""
        return np.arange(len(self.world)) if self.group is None else self.group

    def classes(self, worlds: int) -> int:
        """The worlds, and the kinds up to the last that there is."""
        return max(worlds, int(self.world.max(initial=0)) + 1)

    def foreign(self, place: int, worlds: int) -> np.ndarray:
        """Pictures of other worlds, or of any kind where there is no other, with known prompts."""
        other = self.world < worlds if worlds > 1 else self.world >= worlds
        return np.asarray(self.known & other & (self.world != place))

    def take(self, rows: np.ndarray) -> "Labels":
        """The pictures at positions or under a mask `rows`."""
        return Labels(self.world[rows], self.truth[rows], self.groups[rows], self.kinds)


def view_world(world: World, keys: Sequence[np.ndarray]) -> WorldView:
    """Ask a world about n pictures by their keys (n, d_image), an array per member.

    Raises ConfigError for a world without name or calibration.
    """
    if world.confidence is None or world.name is None:
        raise ConfigError("a router needs worlds with a name and a calibration: `unprompt tune`")
    starts = range(0, len(keys[0]), BLOCK)
    found = [world.estimate([own[start : start + BLOCK] for own in keys]) for start in starts]
    return WorldView(
        world.name,
        world.members[0].encoder.space,
        keys[0],
        np.concatenate([part.signals for part in found]),
        np.concatenate([part.blend for part in found]),
        world.confidence,
        world.index.mean_target,
    )


def check_views(views: Sequence[WorldView], labels: Labels) -> None:
    """Raise ConfigError where a class has too few pictures or groups, or a world too few others."""
    names = [*(view.name for view in views), *labels.kinds]
    classes = labels.classes(len(views))
    if classes > len(names):
        raise ConfigError(f"labels go from 0 to {len(names) - 1}, got {labels.world.max()}")
    for place, name in enumerate(names[:classes]):
        own = labels.world == place
        if own.sum() < LEAST or len(np.unique(labels.groups[own])) < 2:
            raise ConfigError(
                f"the router needs {LEAST} pictures of {name} or more, in two groups or more; got "
                f"{own.sum()} in {len(np.unique(labels.groups[own]))}"
            )
    for place, view in enumerate(views):
        foreign = int(labels.foreign(place, len(views)).sum())
        if foreign < LEAST:
            raise ConfigError(
                f"the router needs {LEAST} pictures or more that are foreign to {view.name} and "
                f"whose prompts are known, got {foreign}"
            )
