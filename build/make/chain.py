"""Captions (n,) and their clusters (n,) -> prompts of several captions each, joined.

The 2nd place made mixes that no photograph shows: one caption of each of two clusters, joined by a
comma, over every pair of 1,000 clusters. Here a round goes through all sets of clusters in a drawn
order before the next begins, and no set of captions comes twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import comb, factorial, prod
from typing import Literal, NamedTuple, Protocol

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.drawing import DrawnOrder, choose_each, choose_sequence, choose_subset
from unprompt.build.make.made import MADE, Made
from unprompt.build.make.plain import plain_caption
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT
from unprompt.index.towers.clip_tokens import fits_clip

METHOD = "chain"


@dataclass(frozen=True, config=STRICT)
class ChainConfig:
    """How many chains, of what, and how they are joined."""

    count: int = 1000
    seed: int = 0
    mode: Literal["across", "within"] = "across"  # captions of different clusters, or of one
    length: int = 2  # captions in a chain
    prefix: str = ""  # before the first caption, e.g. "a photo of"
    joint: str = ", "
    clusters: int | None = None  # none: 1,000, and fewer where there are few captions
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if self.count < 1 or self.max_tokens < 3:
            raise ConfigError(
                f"a chain needs a count of 1 and 3 tokens or more, got {self.count} and "
                f"{self.max_tokens}"
            )
        if not 2 <= self.length <= 5:
            raise ConfigError(f"the length of a chain must lie between 2 and 5, got {self.length}")


class _Sets(Protocol):
    """Sets of clusters to draw captions from, numbered."""

    count: int

    def size(self, number: int) -> int:
        """How many choices of captions the set holds."""

    def choose(self, number: int, rank: int) -> Sequence[int]:
        """The rows of the captions of one choice."""


class _Across:
    """Every set of `length` clusters; a choice is one caption of each."""

    def __init__(self, members: Sequence[np.ndarray], length: int):
        self._members, self._length = members, length
        self.count = comb(len(members), length)
        if not self.count:
            raise ConfigError(
                f"chains of {length} need captions of {length} clusters or more, there are "
                f"{len(members)}; give more captions, or --clusters, or --mode within"
            )

    def size(self, number: int) -> int:
        return prod(len(self._members[cluster]) for cluster in self._clusters(number))

    def choose(self, number: int, rank: int) -> Sequence[int]:
        clusters = self._clusters(number)
        places = choose_each(rank, [len(self._members[cluster]) for cluster in clusters])
        return [int(self._members[c][p]) for c, p in zip(clusters, places, strict=True)]

    def _clusters(self, number: int) -> tuple[int, ...]:
        return choose_subset(number, len(self._members), self._length)


class _Within:
    """Every cluster with captions enough; a choice is `length` captions of it."""

    def __init__(self, members: Sequence[np.ndarray], length: int):
        self._members = [rows for rows in members if len(rows) >= length]
        self._length = length
        self.count = len(self._members)
        if not self.count:
            raise ConfigError(
                f"no cluster holds {length} captions; give more captions, or fewer --clusters"
            )

    def size(self, number: int) -> int:
        return comb(len(self._members[number]), self._length)

    def choose(self, number: int, rank: int) -> Sequence[int]:
        rows = self._members[number]
        return [int(rows[place]) for place in choose_subset(rank, len(rows), self._length)]


class Chain(NamedTuple):
    """The captions of a chain, by their rows and in their order, and the round it came in."""

    rows: tuple[int, ...]
    round: int


def draw_chains(labels: np.ndarray, config: ChainConfig) -> Iterator[Chain]:
    """Every possible chain once; a round takes one of every set that has one left."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    members = np.split(order, starts[1:])
    kind = _Across if config.mode == "across" else _Within
    sets: _Sets = kind(members, config.length)
    seed = (METHOD, config.seed)
    left: Sequence[int] = range(sets.count)
    number_of_round = 0
    while left:
        for place in DrawnOrder(len(left), *seed, "sets", number_of_round):
            number = left[place]
            choices = DrawnOrder(sets.size(number), *seed, "choice", number)
            chosen = sets.choose(number, choices[number_of_round])
            turn = stable_id(*seed, "turn", number, number_of_round) % factorial(config.length)
            yield Chain(choose_sequence(turn, chosen), number_of_round)
        number_of_round += 1
        left = [number for number in left if sets.size(number) > number_of_round]


def chain_captions(
    captions: Sequence[str], labels: np.ndarray, config: ChainConfig, progress: Progress = SILENT
) -> Made:
    """`config.count` chains of the captions, or as many as there are."""
    left_out: Counter[str] = Counter()
    texts = _join(draw_chains(labels, config), captions, config, left_out)
    found = dict(progress.track(islice(texts, config.count), METHOD, config.count))
    table = pl.DataFrame(
        {
            "prompt": list(found),
            "method": [METHOD] * len(found),
            "parents": [[captions[row] for row in chain.rows] for chain in found.values()],
            "clusters": [[int(labels[row]) for row in chain.rows] for chain in found.values()],
        },
        schema={**MADE, "clusters": pl.List(pl.Int32)},
    )
    report = {
        "captions": len(captions),
        "clusters": len(np.unique(labels)),
        # how often every set of clusters had its turn, the last round not always to its end
        "rounds": max((chain.round + 1 for chain in found.values()), default=0),
        "too_long": left_out["too long"],
        "repeated": left_out["repeated"],
    }
    return Made(table, report)


def _join(
    chains: Iterable[Chain], captions: Sequence[str], config: ChainConfig, left_out: Counter[str]
) -> Iterator[tuple[str, Chain]]:
    """The text of every chain that is short enough and new; the others are counted."""
    plain = [plain_caption(caption) for caption in captions]
    seen: set[str] = set()
    for chain in chains:
        parts = [plain[row] for row in chain.rows]
        text = f"{config.prefix.strip()} {config.joint.join(parts)}".strip()
        if text in seen or len({part.casefold() for part in parts}) < config.length:
            left_out["repeated"] += 1
        elif not fits_clip(text, config.max_tokens):
            left_out["too long"] += 1
        else:
            seen.add(text)
            yield text, chain
