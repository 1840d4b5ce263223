"""Keys and signals of q pictures by every world -> the world that answers each, and how well.

A picture belongs to world w with probability p_w, a multinomial logistic regression on the main
keys of all worlds. Its cosine to expect there is p_w * own_w + (1 - p_w) * foreign_w: `own` is the
confidence of the world on its own pictures, `foreign` that on pictures of other worlds. Further
classes, kinds of pictures that belong to no world, have one expectation each. The world with the
highest expectation answers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.plain_files import bare_name
from unprompt.index.base.safe.tensors import load_tensors
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.bundle.bundle import ROUTER, ROUTER_TENSORS
from unprompt.index.encoders.protocols import check_same_space, to_unit_length
from unprompt.inversion.estimate.confidence import Confidence
from unprompt.inversion.estimate.gate import SIGNALS

TENSORS = ROUTER_TENSORS
RANKS = {"weights": 2, "bias": 1, "mean": 1, "scale": 1}
STORED = {"weights": np.float16}  # on disk; all others are float32
NEITHER = "neither"  # the usual name of a class of pictures that belong to no world
REMEDY = "Join the bundles again: `unprompt tune RUN RUN --output BUNDLE`."


@dataclass(frozen=True, config=STRICT)
class RoutedWorld:
    """What the router knows of one world."""

    name: str
    space: str  # of the encoder of its main member
    dim: int  # d_w, the length of that encoder's keys
    foreign: Confidence  # of its answers to pictures of other worlds
    constants: tuple[float, ...]  # mean cosine of its mean target to the prompts of each class
    kinds: tuple[float, ...] = ()  # mean cosine with each kind; 0 where no prompts are known

    def __post_init__(self) -> None:
        bare_name(self.name, ROUTER)  # it is the name of a folder


@dataclass(frozen=True, config=STRICT)
class RoutedClass:
    """How pictures of one class fared with a router that was fitted without them."""

    name: str
    pictures: int
    routed: float  # share whose most probable class is the right one
    outside: float  # share said to be outside
    cosine: float | None  # mean, of the answers; None: no true prompt is known
    calibration_error: float | None  # of the expected cosine
    promised: float | None = None  # mean expected minus mean found cosine: above 0 is too much


@dataclass(frozen=True, config=STRICT)
class RouterSettings:
    """The worlds in the order of their columns, the first at the root of the bundle."""

    worlds: tuple[RoutedWorld, ...]
    kinds: tuple[str, ...] = ()  # classes of pictures that belong to no world, such as noise
    signals: bool = False  # whether the regression also reads the signals of the worlds
    temperature: float | None = None  # mixes the worlds' vectors; None: the best world alone
    penalty: float = 0.0  # on the squared weights of the regression
    belonging_error: float | None = None  # mean difference of probabilities and shares, held out
    classes: tuple[RoutedClass, ...] = ()

    def __post_init__(self) -> None:
        if not self.worlds or len(set(self.names)) != len(self.names):
            raise ConfigError(
                f"a router needs worlds and kinds with different names, got {self.names}"
            )
        if any(len(world.kinds) != len(self.kinds) for world in self.worlds):
            raise ConfigError(f"every world needs a cosine for each of the kinds {self.kinds}")
        if any(len(world.constants) != len(self.names) for world in self.worlds):
            raise ConfigError(f"every world needs a constant for each of the classes {self.names}")
        if self.temperature is not None and self.temperature <= 0:
            raise ConfigError(f"router.temperature must be over 0, got {self.temperature}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes: the worlds, then the kinds that belong to none."""
        return (*(world.name for world in self.worlds), *self.kinds)

    @property
    def columns(self) -> int:
        """D, the number of features of the regression."""
        own = sum(world.dim for world in self.worlds)
        return own + len(SIGNALS) * len(self.worlds) * self.signals


class Routing(NamedTuple):
    """The choice of a world for q pictures."""

    belonging: np.ndarray  # (q, c) probability of every class
    expected: np.ndarray  # (q, w) cosine to expect of every world
    world: np.ndarray  # (q,) position of the world that answers
    outside: np.ndarray  # (q,) bool: no world expects more than its constant reaches
    shares: np.ndarray  # (q, w) weights of the worlds' vectors in the answer

    @property
    def best(self) -> np.ndarray:
        """The cosine to expect of the answer (q,)."""
        return self.expected[np.arange(len(self.world)), self.world]

    def mix(self, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors (q, d_prompt) by world -> the answers (q, d_prompt) at unit length."""
        stacked = np.stack([to_unit_length(own) for own in vectors], axis=1)
        return to_unit_length(np.einsum("qw,qwd->qd", self.shares.astype(np.float32), stacked))


class Regression(NamedTuple):
    """The weights of the multinomial logistic regression."""

    weights: np.ndarray  # (D, c) float32
    bias: np.ndarray  # (c,) float32
    mean: np.ndarray  # (s,) float32, of all worlds' signals; empty where they are not read
    scale: np.ndarray  # (s,) float32

    def features(self, keys: Sequence[np.ndarray], signals: Sequence[np.ndarray]) -> np.ndarray:
        """Main keys (q, d_w) and signals (q, 5) of every world -> features (q, D) float64."""
        parts = [to_unit_length(own).astype(np.float64) for own in keys]
        if len(self.mean):
            parts.append((np.concatenate(signals, axis=1) - self.mean) / self.scale)
        return np.concatenate(parts, axis=1)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (q, D) -> probabilities (q, c)."""
        return softmax(features @ self.weights.astype(np.float64) + self.bias)


class Router:
    """Chooses the world that answers each picture."""

    def __init__(self, settings: RouterSettings, regression: Regression):
        self.settings = settings
        self.regression = regression
        wanted = (settings.columns, len(settings.names))
        read = len(SIGNALS) * len(settings.worlds) * settings.signals
        found = regression.weights.shape
        if (
            found != wanted
            or regression.bias.shape != wanted[1:]
            or {len(regression.mean), len(regression.scale)} != {read}
        ):
            raise ConfigError(f"a router of these worlds needs weights {wanted}, got {found}")

    def check_spaces(self, spaces: Sequence[str]) -> None:
        """Refuse worlds whose main encoders, in order, are not those of the fit.

        Raises SpaceMismatchError.
        """
        for world, space in zip(self.settings.worlds, spaces, strict=True):
            check_same_space(world.space, space, f"the encoder of the world {world.name}", REMEDY)

    def apply(
        self,
        keys: Sequence[np.ndarray],
        signals: Sequence[np.ndarray],
        own: Sequence[Confidence],
    ) -> Routing:
        """Main keys (q, d_w), signals (q, 5) and confidence of every world -> the choice."""
        worlds = self.settings.worlds
        belonging = self.regression(self.regression.features(keys, signals))
        at_home = np.stack([one(part) for one, part in zip(own, signals, strict=True)], axis=1)
        abroad = np.stack(
            [world.foreign(part) for world, part in zip(worlds, signals, strict=True)], axis=1
        )
        share = belonging[:, : len(worlds)]
        nowhere = belonging[:, len(worlds) :]
        expected = share * at_home + nowhere @ np.array([world.kinds for world in worlds]).T
        expected += (1.0 - share - nowhere.sum(axis=1, keepdims=True)) * abroad
        best = np.argmax(expected, axis=1)
        constants = belonging @ np.array([world.constants for world in worlds]).T
        outside = (expected <= constants).all(axis=1)
        temperature = self.settings.temperature
        if temperature is None:
            shares = np.eye(len(worlds))[best]
        else:
            shares = softmax(expected / temperature)
        return Routing(belonging, expected.astype(np.float32), best, outside, shares)

    def save(self, folder: Path) -> None:
        """Write `router.safetensors`, then `router.json`, which marks it as complete."""
        from safetensors.numpy import save

        tensors = {
            name: np.ascontiguousarray(tensor, STORED.get(name, np.float32))
            for name, tensor in self.regression._asdict().items()
        }
        with write_atomically(folder / TENSORS) as temporary:
            temporary.write_bytes(save(tensors))
        write_json(folder / ROUTER, write_settings(self.settings))


def load_router(folder: Path) -> Router:
    """Read the router of a bundle; raises DamagedFileError for a file that `save` did not write."""
    try:
        settings = read_settings(RouterSettings, read_json(folder / ROUTER), str(folder / ROUTER))
        tensors = load_tensors(folder / TENSORS, RANKS, REMEDY)
        return Router(settings, Regression(**tensors))
    except ConfigError as error:
        raise DamagedFileError(f"the router in {folder} is broken: {error}. {REMEDY}") from error


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits (q, c) -> probabilities (q, c)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
