"""Prompts (n,) -> how much they repeat words, and the prompts without repeated phrases."""

import polars as pl

_PUNCTUATION = ",.;:!?()"


def repeated_share(prompts: pl.Series) -> pl.Series:
    """The share (n,) of words that repeat an earlier word; case and punctuation are ignored."""
    bare = prompts.str.to_lowercase().str.replace_many(list(_PUNCTUATION), [""] * len(_PUNCTUATION))
    words = bare.str.split(" ")
    lengths = words.list.len()
    return (lengths - words.list.n_unique()).cast(pl.Float64) / lengths


def may_repeat_phrases(prompts: pl.Series) -> pl.Series:
    """Whether two phrases between commas may be equal; a cheap filter for the rule below."""
    parts = prompts.str.to_lowercase().str.replace_all(r"\s*,\s*", ",").str.split(",")
    return parts.list.n_unique() < parts.list.len()


def drop_repeated_phrases(prompts: pl.Series) -> pl.Series:
    """Keep only the first of phrases between commas that differ in case at most.

    Phrases without a letter, such as numbers, all stay.
    """
    rows = prompts.alias("part").to_frame().with_row_index("row")
    parts = rows.with_columns(pl.col("part").str.split(",")).explode("part")
    key = pl.col("part").str.strip_chars().str.to_lowercase()
    first = pl.int_range(pl.len()).over("row", key) == 0
    kept = parts.filter(first | ~pl.col("part").str.contains(r"\p{L}"))
    joined = kept.group_by("row", maintain_order=True).agg(pl.col("part").str.join(","))
    return joined["part"].alias(prompts.name)
