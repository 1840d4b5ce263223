"""Rows of pictures with several prompts -> splits, so that no picture is in two of them."""

import polars as pl

HELD_OUT = ("test", "validation")  # in the order in which they claim a picture


def one_split_each(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows with `split` set to "excluded" where another row of the same picture claims it.

    `key` names the column of pictures. A test prompt claims its picture before a validation
    prompt, and both before train prompts.
    """
    rank = pl.lit(len(HELD_OUT), pl.UInt8)
    for place, split in reversed(list(enumerate(HELD_OUT))):
        rank = pl.when(pl.col("split") == split).then(pl.lit(place, pl.UInt8)).otherwise(rank)
    claimed = rank.min().over(key)
    return rows.with_columns(
        pl.when(rank > claimed).then(pl.lit("excluded")).otherwise("split").alias("split")
    )
