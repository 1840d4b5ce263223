"""Batches of prompts -> at most n distinct prompts; the draw ignores their order."""

import numpy as np
import polars as pl

from unprompt.build.corpus.hashing import splitmix64
from unprompt.index.base.durable import stable_id

DRAWN = pl.Schema(
    {"prompt": pl.String, "prompt_id": pl.UInt64, "ticket": pl.UInt64, "group": pl.UInt64}
)
MIN_PENDING = 100_000  # new rows before duplicates are removed, however low the limit


class PromptDraw:
    """Keeps the `limit` distinct prompts with the lowest tickets; None keeps all.

    A ticket is a hash of the prompt's id and the seed. Memory holds at most `limit` prompts and
    max(`MIN_PENDING`, `limit`) new ones, or all distinct prompts without a limit.
    """

    def __init__(self, limit: int | None, seed: int = 0):
        self._limit = limit
        self._seed = seed
        self._frames: list[pl.DataFrame] = []
        self._pending = 0  # rows added since the last `_reduce`
        self._highest = np.iinfo(np.uint64).max  # ticket that can still be drawn
        self.repeated = 0
        self.undrawn = 0

    def add(self, prompts: pl.Series, groups: pl.Series | None = None) -> None:
        """Add one batch of normalized prompts (m,), perhaps with the names of their groups."""
        ids = np.array([stable_id(prompt) for prompt in prompts], dtype=np.uint64)
        columns = {"prompt": prompts, "prompt_id": ids, "ticket": tickets(ids, self._seed)}
        names = [None] * len(prompts) if groups is None else groups.cast(pl.String).to_list()
        columns["group"] = [None if name is None else stable_id("group", name) for name in names]
        self.add_drawn(pl.DataFrame(columns, schema=DRAWN))

    def add_drawn(self, frame: pl.DataFrame) -> None:
        """Add DRAWN rows of another draw with the same seed."""
        eligible = frame.filter(pl.col("ticket") <= self._highest)
        self.undrawn += frame.height - eligible.height
        if 2 * eligible.height < frame.height:
            eligible = _copy_texts(eligible)
        self._frames.append(eligible)
        self._pending += eligible.height
        if self._pending > max(MIN_PENDING, self._limit or self._frames[0].height):
            self._reduce()

    def table(self) -> pl.DataFrame:
        """DRAWN rows: by ticket with a limit, otherwise in the order of the batches."""
        self._reduce()
        return self._frames[0]

    def _reduce(self) -> None:
        whole = pl.concat(self._frames) if self._frames else pl.DataFrame(schema=DRAWN)
        kept = whole.unique("prompt_id", keep="first", maintain_order=True)
        self.repeated += whole.height - kept.height
        if self._limit is not None:
            drawn = _copy_texts(kept.sort("ticket", "prompt_id").head(self._limit))
            self.undrawn += kept.height - drawn.height
            kept = drawn
            if kept.height == self._limit:
                self._highest = int(kept["ticket"][-1])
        self._frames, self._pending = [kept], 0


def _copy_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy the texts, because slices of a polars frame keep the whole batch in memory."""
    return frame.with_columns(pl.Series("prompt", frame["prompt"].to_list(), pl.String))


def tickets(ids: np.ndarray, seed: int) -> np.ndarray:
    """Tickets (n,) uint64 of prompt ids (n,) uint64; every seed gives another order."""
    with np.errstate(over="ignore"):
        return splitmix64(ids + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed % 2**64 + 1))
