"""Prompts as people wrote them (columns prompt, source) -> a PROMPTS table of distinct prompts."""

import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import PROMPTS
from unprompt.index.captions.normalize import normalize


def make_prompts_table(table: pl.DataFrame) -> pl.DataFrame:
    """Normalize, drop blank prompts and keep the first of identical ones; all rows in "train".

    Raises CorpusError if the table lacks a column prompt or source.
    """
    missing = [column for column in ("prompt", "source") if column not in table.columns]
    if missing:
        raise CorpusError(f"the prompts to clean have no column {', '.join(missing)}")
    clean = (
        table.select(normalize(table["prompt"]).alias("prompt"), "source")
        .filter(pl.col("prompt").is_not_null() & (pl.col("prompt") != ""))
        .unique("prompt", keep="first", maintain_order=True)
    )
    ids = [stable_id(prompt) for prompt in clean["prompt"]]
    return in_train(clean.with_columns(pl.Series("prompt_id", ids, pl.UInt64)))


def in_train(rows: pl.DataFrame) -> pl.DataFrame:
    """PROMPTS of rows (prompt_id, prompt, source): each its own group, all in "train"."""
    return rows.with_columns(
        pl.col("prompt_id").alias("group_id"), pl.lit("train", pl.String).alias("split")
    ).select(list(PROMPTS))
