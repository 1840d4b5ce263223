"""Words and phrases that stand in a prompt more than once: (n,) strings in."""

import polars as pl

_SIGNS = ",.;:!?()"


def repeated_share(prompts: pl.Series) -> pl.Series:
    """Share of the words (n,) that stood before in the same prompt; case and signs do not count."""
    bare = prompts.str.to_lowercase().str.replace_many(list(_SIGNS), [""] * len(_SIGNS))
    words = bare.str.split(" ")
    lengths = words.list.len()
    return (lengths - words.list.n_unique()).cast(pl.Float64) / lengths


def may_repeat_phrases(prompts: pl.Series) -> pl.Series:
    """Whether two parts between commas might be the same; the few rows worth a closer look."""
    parts = prompts.str.to_lowercase().str.replace_all(r"\s*,\s*", ",").str.split(",")
    return parts.list.n_unique() < parts.list.len()


def drop_repeated_phrases(prompts: pl.Series) -> pl.Series:
    """Of the parts between commas that are the same but for case only the first stays.

    Parts without a letter stay: they are numbers, or nothing.
    """
    rows = prompts.alias("part").to_frame().with_row_index("row")
    parts = rows.with_columns(pl.col("part").str.split(",")).explode("part")
    key = pl.col("part").str.strip_chars().str.to_lowercase()
    first = pl.int_range(pl.len()).over("row", key) == 0
    kept = parts.filter(first | ~pl.col("part").str.contains(r"\p{L}"))
    joined = kept.group_by("row", maintain_order=True).agg(pl.col("part").str.join(","))
    return joined["part"].alias(prompts.name)
