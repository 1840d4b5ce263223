"""Prompts as people wrote them (columns prompt, source) -> a PROMPTS table of distinct prompts."""

import numpy as np
import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import PROMPTS
from unprompt.index.captions.normalize import normalize


def make_prompts_table(table: pl.DataFrame) -> pl.DataFrame:
    """Normalize, drop blank prompts and keep the first of identical ones; all rows in "train".

    A column `group` (UInt64), if there is one, becomes the group of its prompts.
    Raises CorpusError if the table lacks a column prompt or source.
    """
    missing = [column for column in ("prompt", "source") if column not in table.columns]
    if missing:
        raise CorpusError(f"the prompts to clean have no column {', '.join(missing)}")
    clean = (
        table.with_columns(normalize(table["prompt"]).alias("prompt"))
        .filter(pl.col("prompt").is_not_null() & (pl.col("prompt") != ""))
        .unique("prompt", keep="first", maintain_order=True)
    )
    ids = [stable_id(prompt) for prompt in clean["prompt"]]
    rows = in_train(clean.with_columns(pl.Series("prompt_id", ids, pl.UInt64)))
    if "group" not in table.columns:
        return rows
    return rows.with_columns(clean["group"].fill_null(rows["group_id"]).alias("group_id"))


def groups_of(prompt_ids: pl.Series, collected: pl.DataFrame) -> np.ndarray | None:
    """The group (n,) of each prompt in the PROMPTS table `collected`; None if each has its own."""
    grouped = collected.filter(pl.col("group_id") != pl.col("prompt_id"))
    if grouped.is_empty():
        return None
    found = pl.DataFrame({"prompt_id": prompt_ids}).join(
        grouped.select("prompt_id", "group_id"), on="prompt_id", how="left", maintain_order="left"
    )
    return found.select(pl.coalesce("group_id", "prompt_id"))["group_id"].to_numpy()


def in_train(rows: pl.DataFrame) -> pl.DataFrame:
    """PROMPTS of rows (prompt_id, prompt, source): each its own group, all in "train"."""
    return rows.with_columns(
        pl.col("prompt_id").alias("group_id"), pl.lit("train", pl.String).alias("split")
    ).select(list(PROMPTS))
