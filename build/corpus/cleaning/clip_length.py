"""Which prompts are longer than CLIP reads: (n,) strings -> (n,) bool, few of them tokenised.

A text has at least as many tokens as pieces (a word, a digit, a run of signs) and at most as many
as bytes, so most are settled by counting. Then a piece of CLIP's vocabulary is one token, another
at least two. What is still in between is tokenised, each distinct piece of the table once.
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
    """Whether each prompt takes more than `limit` tokens, start and end included."""
    budget = limit - START_AND_END
    text = pl.col("prompt")
    table = prompts.alias("prompt").to_frame().with_row_index("row")
    inked = text.str.len_bytes() - text.str.count_matches(" ", literal=True)
    # other scripts may take half as many bytes again in lower case
    plain = text.str.len_bytes() == text.str.len_chars()
    doubtful = table.filter(pl.when(plain).then(inked).otherwise(inked * 3 // 2) > budget)
    pieces = doubtful.select("row", _as_clip_reads(doubtful["prompt"]).str.extract_all(CLIP_PIECE))
    many = pl.col("prompt").list.len() > budget
    between = pieces.filter(~many).explode("prompt").rename({"prompt": "piece"})
    over = [pieces.filter(many)["row"], *_over_by_pieces(between, budget)]
    return table["row"].is_in(pl.concat(over).implode())


def _as_clip_reads(prompts: pl.Series) -> pl.Series:
    """Mended, entities resolved, lower case; nothing but the case changes in most prompts."""
    ascii_only = prompts.str.len_bytes() == prompts.str.len_chars()
    odd = (~ascii_only | prompts.str.contains(r"&#?\w")).arg_true()
    mended = [clean_for_clip(prompt) for prompt in prompts.gather(odd)]
    return prompts.str.to_lowercase().scatter(odd, pl.Series(mended, dtype=pl.String))


def _over_by_pieces(pieces: pl.DataFrame, budget: int) -> tuple[pl.Series, pl.Series]:
    """Rows (row, piece) with more tokens than the budget: sure ones, and those counted out."""
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
