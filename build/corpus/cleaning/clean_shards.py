"""Chunks of raw prompts of any size -> shards of cleaned prompts that survive a kill.

FOLDER/00000.parquet, 00000_stats.json   see row_shards.py; the stats hold the counts of the rules
FOLDER/00000_examples.parquet            EXAMPLES: some rows that each rule changed or dropped
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.cleaning.clean_rows import EXAMPLES, Cleaned, Cleaner, merge_examples
from unprompt.build.corpus.cleaning.config import CleanConfig
from unprompt.build.corpus.duplicates.keys import exact_keys
from unprompt.index.base.durable import stable_id
from unprompt.index.base.row_shards import ROW, ROWS_EACH, RowShards, shard_is_done, write_shard
from unprompt.index.base.tables import read_table, write_table

READ = "read"  # key of the counts: rows before cleaning


def clean_shards(folder: Path, chunks: Iterable[pl.DataFrame], config: CleanConfig | None) -> None:
    """Clean `chunks` (prompt, source, perhaps nsfw) shard by shard; finished shards are skipped.

    Every run must pass the same chunks for the same `folder`. None as `config` keeps all rows.
    """
    clean = _keep_all if config is None else Cleaner(config)
    for shard, chunk in enumerate(_in_shards(chunks)):
        if shard_is_done(folder, shard):
            continue
        cleaned = clean(chunk)
        prompts = cleaned.table["prompt"]
        ids = pl.Series([stable_id(prompt) for prompt in prompts], dtype=pl.UInt64)
        rows = cleaned.table.with_columns(ids.alias("prompt_id"), exact_keys(prompts))
        write_table(_examples_path(folder, shard), cleaned.examples, EXAMPLES)
        stats = {"counts": {READ: chunk.height, **cleaned.counts}}
        write_shard(folder, shard, rows.select(list(ROW)), stats)


def sum_counts(shards: RowShards) -> dict[str, Any]:
    """The sum of the counts of all shards; rules are under the keys `rewrite` and `drop`."""
    total: dict[str, Any] = {"rewrite": {}, "drop": {}}
    for stats in shards.stats:
        for name, rows in stats["counts"].items():
            kind, _, rule = name.rpartition(".")
            place = total[kind] if kind else total
            place[rule] = place.get(rule, 0) + rows
    return total


def read_examples(shards: RowShards) -> pl.DataFrame:
    """EXAMPLES of each rule, evenly from all shards."""
    paths = [_examples_path(shards.folder, shard) for shard in range(len(shards))]
    return merge_examples([read_table(path, EXAMPLES) for path in paths])


def _in_shards(chunks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the same rows in chunks of `ROWS_EACH`; the last chunk may be smaller."""
    waiting: list[pl.DataFrame] = []
    for chunk in chunks:
        for part in chunk.iter_slices(ROWS_EACH):
            waiting.append(part)
            if sum(table.height for table in waiting) >= ROWS_EACH:
                whole = pl.concat(waiting)
                yield whole.head(ROWS_EACH)
                waiting = [whole.slice(ROWS_EACH)]
    rest = pl.concat(waiting) if waiting else pl.DataFrame()
    if rest.height:
        yield rest


def _keep_all(chunk: pl.DataFrame) -> Cleaned:
    return Cleaned(chunk.select("prompt", "source"), {}, pl.DataFrame(schema=EXAMPLES))


def _examples_path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}_examples.parquet"
