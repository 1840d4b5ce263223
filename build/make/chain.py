"""Captions (n,) and their clusters (n,) -> prompts of several captions each, joined.

The recipe is the 2nd place's: one caption of each of two clusters, joined by a comma, over every
pair of 1,000 clusters. Such a prompt shows what no photograph shows. A round visits every set of
clusters once, in random order. No set of captions occurs twice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import comb, factorial, prod
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.build.make.permutations import (
    RandomPermutation,
    unrank_combination,
    unrank_permutation,
    unrank_product,
)
from unprompt.build.make.prompt_file import MADE_PROMPTS, MadePrompts, new_prompts
from unprompt.build.make.wording import as_clause
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import STRICT

METHOD = "chain"


@dataclass(frozen=True, config=STRICT)
class ChainConfig:
    """Number of chains, and how captions are chosen and joined."""

    count: int = 1000
    seed: int = 0
    mode: Literal["across", "within"] = "across"  # captions of different clusters, or of one
    length: int = 2  # captions in a chain
    prefix: str = ""  # before the first caption, e.g. "a photo of"
    joint: str = ", "
    clusters: int | None = None  # None: 1,000, or a tenth of the captions if that is fewer
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if self.count < 1 or self.max_tokens < 3:
            raise ConfigError(
                "--count must be 1 or more and --max-tokens 3 or more, got "
                f"{self.count} and {self.max_tokens}"
            )
        if not 2 <= self.length <= 5:
            raise ConfigError(f"--length must be from 2 to 5, got {self.length}")


class _Across:
    """Every set of `length` clusters, numbered; a choice is one caption per cluster."""

    def __init__(self, members: Sequence[np.ndarray], length: int):
        self._members, self._length = members, length
        self.count = comb(len(members), length)
        if not self.count:
            raise ConfigError(
                f"--length {length} needs {length} clusters or more, there are {len(members)}; "
                "give more captions, a larger --clusters, or --mode within"
            )

    def size(self, number: int) -> int:
        """Number of choices of captions from set `number`."""
        return prod(len(self._members[cluster]) for cluster in self._clusters(number))

    def choose(self, number: int, rank: int) -> Sequence[int]:
        """Rows of the captions in choice number `rank`."""
        clusters = self._clusters(number)
        places = unrank_product(rank, [len(self._members[cluster]) for cluster in clusters])
        return [int(self._members[c][p]) for c, p in zip(clusters, places, strict=True)]

    def _clusters(self, number: int) -> tuple[int, ...]:
        return unrank_combination(number, len(self._members), self._length)


class _Within:
    """The same for every cluster with `length` captions or more; a choice is `length` of them."""

    def __init__(self, members: Sequence[np.ndarray], length: int):
        self._members = [rows for rows in members if len(rows) >= length]
        self._length = length
        self.count = len(self._members)
        if not self.count:
            raise ConfigError(
                f"no cluster holds {length} captions; give more captions, or a smaller --clusters"
            )

    def size(self, number: int) -> int:
        return comb(len(self._members[number]), self._length)

    def choose(self, number: int, rank: int) -> Sequence[int]:
        rows = self._members[number]
        return [int(rows[place]) for place in unrank_combination(rank, len(rows), self._length)]


class Chain(NamedTuple):
    """The rows of its captions in order, and the round that drew it."""

    rows: tuple[int, ...]
    round: int


def draw_chains(labels: np.ndarray, config: ChainConfig) -> Iterator[Chain]:
    """Every possible chain once; a round takes one chain per set that has one left."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    members = np.split(order, starts[1:])
    sets = (_Across if config.mode == "across" else _Within)(members, config.length)
    seed = (METHOD, config.seed)
    left: Sequence[int] = range(sets.count)
    round_number = 0
    while left:
        for place in RandomPermutation(len(left), *seed, "sets", round_number):
            number = left[place]
            choices = RandomPermutation(sets.size(number), *seed, "choice", number)
            chosen = sets.choose(number, choices[round_number])
            turn = stable_id(*seed, "turn", number, round_number) % factorial(config.length)
            yield Chain(unrank_permutation(turn, chosen), round_number)
        round_number += 1
        left = [number for number in left if sets.size(number) > round_number]


def chain_captions(
    captions: Sequence[str], labels: np.ndarray, config: ChainConfig, progress: Progress = SILENT
) -> MadePrompts:
    """`config.count` chains of the captions, or as many as there are."""
    left_out: Counter[str] = Counter()
    texts = _join(draw_chains(labels, config), captions, config, left_out)
    new = islice(new_prompts(texts, config.max_tokens, left_out), config.count)
    found = dict(progress.track(new, METHOD, config.count))
    table = pl.DataFrame(
        {
            "prompt": list(found),
            "method": [METHOD] * len(found),
            "parents": [[captions[row] for row in chain.rows] for chain in found.values()],
            "clusters": [[int(labels[row]) for row in chain.rows] for chain in found.values()],
        },
        schema={**MADE_PROMPTS, "clusters": pl.List(pl.Int32)},
    )
    report = {
        "captions": len(captions),
        "clusters": len(np.unique(labels)),
        # visits to every set of clusters; the last round may be incomplete
        "rounds": max((chain.round + 1 for chain in found.values()), default=0),
        "too_long": left_out["too long"],
        "repeated": left_out["repeated"],
    }
    return MadePrompts(table, report)


def _join(
    chains: Iterable[Chain], captions: Sequence[str], config: ChainConfig, left_out: Counter[str]
) -> Iterator[tuple[str, Chain]]:
    """Texts of the chains; those that hold one caption twice are counted as repeated."""
    clauses = [as_clause(caption) for caption in captions]
    for chain in chains:
        parts = [clauses[row] for row in chain.rows]
        if len({part.casefold() for part in parts}) < config.length:
            left_out["repeated"] += 1
        else:
            yield f"{config.prefix.strip()} {config.joint.join(parts)}".strip(), chain
