"""A column of NSFW scores, as numbers or as words -> numbers from 0 (safe) to 1."""

import polars as pl

WORDS = {
    **dict.fromkeys(("unlikely", "very_unlikely", "none", "safe", "sfw", "false", "no"), 0.0),
    **dict.fromkeys(("neutral", "drawings", "drawing", "clean", "pg", "g"), 0.0),
    **dict.fromkeys(("unsure", "possible", "soft", "pg13", "pg-13"), 0.5),
    **dict.fromkeys(("mature", "sexy", "likely", "r", "questionable"), 0.8),
    **dict.fromkeys(("nsfw", "unsafe", "true", "yes", "very_likely", "explicit"), 1.0),
    **dict.fromkeys(("porn", "hentai", "x", "xxx", "blocked"), 1.0),
}


def nsfw_number(score: pl.Expr) -> pl.Expr:
    """The score as Float64: a number, or a word of WORDS in any case; null for anything else."""
    words = score.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    number = score.cast(pl.Float64, strict=False).fill_nan(None)
    return pl.coalesce(number, words.replace_strict(WORDS, default=None, return_dtype=pl.Float64))
