"""Prompts that differ in case, punctuation and spaces alone: (n,) strings -> (n,) keys, uint64."""

import numpy as np
import polars as pl

from unprompt.build.corpus.duplicates.drops import Drops
from unprompt.index.base.durable import stable_id


def plain_words(prompts: pl.Series) -> pl.Series:
    """Lower-case letters and digits with single spaces between words; "" where there are none."""
    return (
        prompts.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    )


def exact_keys(prompts: pl.Series) -> pl.Series:
    """A stable key of each prompt's plain words; of the prompt itself where it has none."""
    plain = plain_words(prompts)
    text = plain.zip_with(plain != "", prompts)
    return pl.Series("key", [stable_id("key", words) for words in text], pl.UInt64)


def drop_equal(keys: np.ndarray) -> Drops:
    """Of the rows with one key (n,) all but the first."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    kept = first[group]
    rows = np.flatnonzero(kept != np.arange(len(keys)))
    return Drops(rows.astype(np.uint32), kept[rows].astype(np.uint32), np.ones(len(rows)))
