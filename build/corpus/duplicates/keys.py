"""Prompts (n,) -> keys (n,) uint64, equal if only case, punctuation and spaces differ."""

import numpy as np
import polars as pl

from unprompt.build.corpus.duplicates.duplicate_rows import DuplicateRows, duplicate_rows
from unprompt.index.base.durable import stable_id


def plain_words(prompts: pl.Series) -> pl.Series:
    """Lower-case letters and digits, single spaces between words; "" if there are none."""
    return (
        prompts.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    )


def exact_keys(prompts: pl.Series) -> pl.Series:
    """A stable key of each prompt's plain words, or of the prompt itself if it has none."""
    plain = plain_words(prompts)
    text = plain.zip_with(plain != "", prompts)
    return pl.Series("key", [stable_id("key", words) for words in text], pl.UInt64)


def drop_equal(keys: np.ndarray) -> DuplicateRows:
    """The duplicates among rows with keys (n,): the first row of each key is kept."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    kept = first[group]
    rows = np.flatnonzero(kept != np.arange(len(keys)))
    return duplicate_rows(rows, kept[rows], np.ones(len(rows)))
