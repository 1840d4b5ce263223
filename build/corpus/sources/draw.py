"""Batches of prompts -> at most n distinct ones, drawn by their ids: the same ones in any order."""

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id

DRAWN = pl.Schema({"prompt": pl.String, "prompt_id": pl.UInt64, "ticket": pl.UInt64})
FEW = 100_000  # prompts that may wait to be tidied up, however low the limit


class PromptDraw:
    """Takes prompts in batches and keeps the `limit` distinct ones with the lowest tickets.

    A ticket is a hash of the prompt's id and the seed. Memory holds twice `limit` prompts and
    a few at most, or all distinct ones where there is no limit.
    """

    def __init__(self, limit: int | None, seed: int = 0):
        self._limit = limit
        self._seed = seed
        self._frames: list[pl.DataFrame] = []
        self._waiting = 0  # rows taken since the last tidying up
        self._highest = np.iinfo(np.uint64).max  # ticket that can still be drawn
        self.repeated = 0
        self.undrawn = 0

    def add(self, prompts: pl.Series) -> None:
        """Take one batch of normalised prompts."""
        ids = np.array([stable_id(prompt) for prompt in prompts], dtype=np.uint64)
        columns = {"prompt": prompts, "prompt_id": ids, "ticket": mix(ids, self._seed)}
        self.add_drawn(pl.DataFrame(columns, schema=DRAWN))

    def add_drawn(self, frame: pl.DataFrame) -> None:
        """Take rows that another draw with the same seed let through."""
        hopeful = frame.filter(pl.col("ticket") <= self._highest)
        self.undrawn += frame.height - hopeful.height
        if 2 * hopeful.height < frame.height:
            hopeful = _without_batch(hopeful)
        self._frames.append(hopeful)
        self._waiting += hopeful.height
        if self._waiting > max(FEW, self._limit or self._frames[0].height):
            self._tidy()

    def table(self) -> pl.DataFrame:
        """DRAWN rows: by ticket where a limit drew them, else in the order they came."""
        self._tidy()
        return self._frames[0]

    def _tidy(self) -> None:
        whole = pl.concat(self._frames) if self._frames else pl.DataFrame(schema=DRAWN)
        kept = whole.unique("prompt_id", keep="first", maintain_order=True)
        self.repeated += whole.height - kept.height
        if self._limit is not None:
            drawn = _without_batch(kept.sort("ticket", "prompt_id").head(self._limit))
            self.undrawn += kept.height - drawn.height
            kept = drawn
            if kept.height == self._limit:
                self._highest = int(kept["ticket"][-1])
        self._frames, self._waiting = [kept], 0


def _without_batch(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with texts of their own: polars' would keep the whole batch in memory."""
    return frame.with_columns(pl.Series("prompt", frame["prompt"].to_list(), pl.String))


def mix(ids: np.ndarray, seed: int) -> np.ndarray:
    """A hash of ids (n,) uint64 that is another one for every seed: splitmix64, n tickets."""
    with np.errstate(over="ignore"):
        state = ids + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed % 2**64 + 1)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))
