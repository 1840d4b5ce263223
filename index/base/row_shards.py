"""Prompts that do not fit in memory -> numbered parquet files, read by shard, column or row.

FOLDER/00000.parquet        prompt_id, key, prompt, source
FOLDER/00000_stats.json     its height and counts; written last, marks a finished shard
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.base.durable import read_json, write_json
from unprompt.index.base.tables import read_table, write_table

ROWS_EACH = 100_000
ROW = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "key": pl.UInt64,  # equal for prompts that differ only in case and punctuation
        "prompt": pl.String,
        "source": pl.String,
    }
)


def shard_is_done(folder: Path, shard: int) -> bool:
    """Whether `write_shard` finished this shard."""
    return _stats(folder, shard).is_file()


def write_shard(folder: Path, shard: int, table: pl.DataFrame, stats: Mapping[str, Any]) -> None:
    """Write the rows, then the stats file that marks the shard as finished."""
    write_table(folder / f"{shard:05d}.parquet", table, ROW)
    write_json(_stats(folder, shard), {"height": table.height, **stats})


class RowShards:
    """All finished shards of a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        count = len(list(folder.glob("*_stats.json")))
        self.stats: list[dict[str, Any]] = [read_json(_stats(folder, n)) for n in range(count)]
        heights = [stats["height"] for stats in self.stats]
        self.starts = np.concatenate([[0], np.cumsum(heights, dtype=np.int64)])  # (shards + 1,)

    def __len__(self) -> int:
        return len(self.stats)

    @property
    def height(self) -> int:
        """Rows of all shards."""
        return int(self.starts[-1])

    def read(self, shard: int) -> pl.DataFrame:
        """The rows of one shard."""
        return read_table(self.folder / f"{shard:05d}.parquet", ROW)

    def column(self, name: str) -> np.ndarray:
        """One numeric column of all shards together, (height,)."""
        paths = [self.folder / f"{shard:05d}.parquet" for shard in range(len(self))]
        parts = [pl.read_parquet(path, columns=[name])[name].to_numpy() for path in paths]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    def rows(self, shard: int, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` (sorted, global) that lie in this shard, as positions within it."""
        low, high = np.searchsorted(rows, self.starts[shard : shard + 2])
        return np.asarray(rows[low:high] - self.starts[shard])

    def take(self, rows: np.ndarray) -> pl.DataFrame:
        """The rows `rows` (sorted, global) as one table in memory."""
        parts = [self.read(shard)[self.rows(shard, rows)] for shard in range(len(self))]
        return pl.concat([pl.DataFrame(schema=ROW), *parts])


def _stats(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}_stats.json"
