"""A folder of image shards -> the prompts of its pictures, and counts of what was left out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, Captions
from unprompt.build.corpus.sources.prompt_files import RAW_PROMPTS
from unprompt.index.formats.tally import Tally
from unprompt.index.images.shard_names import incomplete_shards
from unprompt.index.images.shards import read_rows

INCOMPLETE = "incomplete shard"


def read_shard_prompts(folder: Path, captions: Captions) -> tuple[pl.DataFrame, dict[str, Any]]:
    """RAW_PROMPTS of all finished shards, and the report of the rows.

    Rows that failed, and shards that are not finished, are counted by reason. Of a picture with
    several captions all are taken, or the first one.
    """
    rows, tally = read_rows(folder), Tally()
    tally.read = rows.height
    for shard in incomplete_shards(folder):
        tally.read += 1
        tally.fault(f"{folder}: {shard}", INCOMPLETE)
    failed = rows.filter(pl.col("status") != "success")
    for key, reason in failed.select("key", "error_message").iter_rows():
        tally.fault(f"{key}: {reason}", str(reason).partition(":")[0])
    good = rows.filter(pl.col("status") == "success")
    if captions == FIRST:
        once = good.unique("key", keep="first", maintain_order=True)
        tally.drop("further caption", good.height - once.height)
        good = once
    prompts = good.select("prompt", pl.lit(str(folder)).alias("source"))
    return pl.DataFrame(prompts, schema=RAW_PROMPTS), {"source": str(folder), **asdict(tally)}
