"""Prompts (n,) -> whether each exceeds a limit of CLIP tokens, (n,) bool.

A text has at least as many tokens as pieces (a word, a digit, a run of punctuation) and at most as
many as bytes. These bounds decide most prompts. Next, a piece in CLIP's vocabulary is one token,
any other piece at least two. Only the remaining prompts are tokenized, each distinct piece once.
"""

from functools import lru_cache

import polars as pl

from unprompt.index.towers.clip_tokens import (
    CLIP_PIECE,
    START_AND_END,
    clean_for_clip,
    count_piece_tokens,
    single_tokens,
)


def over_clip_tokens(prompts: pl.Series, limit: int) -> pl.Series:
    """Whether each prompt has more than `limit` tokens, start and end tokens included."""
    budget = limit - START_AND_END
    text = pl.col("prompt")
    table = prompts.alias("prompt").to_frame().with_row_index("row")
    visible = text.str.len_bytes() - text.str.count_matches(" ", literal=True)
    # lower case may take half as many bytes again in other scripts
    plain = text.str.len_bytes() == text.str.len_chars()
    doubtful = table.filter(pl.when(plain).then(visible).otherwise(visible * 3 // 2) > budget)
    pieces = doubtful.select("row", _as_clip_reads(doubtful["prompt"]).str.extract_all(CLIP_PIECE))
    many = pl.col("prompt").list.len() > budget
    between = pieces.filter(~many).explode("prompt").rename({"prompt": "piece"})
    over = [pieces.filter(many)["row"], *_over_by_pieces(between, budget)]
    return table["row"].is_in(pl.concat(over).implode())


def _as_clip_reads(prompts: pl.Series) -> pl.Series:
    """Lower case; a prompt with entities or other scripts is cleaned as CLIP does it."""
    ascii_only = prompts.str.len_bytes() == prompts.str.len_chars()
    odd = (~ascii_only | prompts.str.contains(r"&#?\w")).arg_true()
    cleaned = [clean_for_clip(prompt) for prompt in prompts.gather(odd)]
    return prompts.str.to_lowercase().scatter(odd, pl.Series(cleaned, dtype=pl.String))


def _over_by_pieces(pieces: pl.DataFrame, budget: int) -> tuple[pl.Series, pl.Series]:
    """Of rows (row, piece), the rows over the budget: decided by bounds, and by tokenizing."""
    single = pl.col("piece").is_in(_vocabulary().implode())
    length = pl.col("piece").str.len_bytes()
    sums = (
        pieces.with_columns(single.alias("single"))
        .group_by("row")
        .agg(
            pl.when("single").then(1).otherwise(2).sum().alias("least"),
            pl.when("single").then(1).otherwise(length).sum().alias("most"),
        )
    )
    sure = sums.filter(pl.col("least") > budget)["row"]
    between = sums.filter((pl.col("least") <= budget) & (pl.col("most") > budget))["row"]
    left = pieces.filter(pl.col("row").is_in(between.implode()))
    counted = left["piece"].unique()
    tokens = pl.Series("tokens", count_piece_tokens(counted.to_list()), pl.UInt32)
    found = left.join(pl.DataFrame([counted, tokens]), on="piece", how="left")
    sums = found.group_by("row").agg(pl.col("tokens").sum())
    return sure, sums.filter(pl.col("tokens") > budget)["row"]


@lru_cache(maxsize=1)
def _vocabulary() -> pl.Series:
    return pl.Series(sorted(single_tokens()), dtype=pl.String)
