"""Prompts (n,) -> their sets of words and word pairs: hashes (s,) uint32, offsets (n + 1,).

The set of row i is hashes[offsets[i] : offsets[i + 1]], in ascending order, without repeats. The
hashes are the same on every machine.
"""

import zlib
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.duplicates.keys import plain_words
from unprompt.build.corpus.hashing import splitmix64

_WORD, _PAIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Shingles(NamedTuple):
    """The sets of n rows."""

    hashes: np.ndarray  # (s,) uint32
    offsets: np.ndarray  # (n + 1,) int64

    def sizes(self) -> np.ndarray:
        """Number of hashes per row, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "Shingles":
        """The sets of `rows` (m,), in that order."""
        sizes = self.sizes()[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return Shingles(self.hashes[np.repeat(self.offsets[rows], sizes) + within], offsets)


def shingle(prompts: pl.Series) -> Shingles:
    """Words and pairs of adjacent words; a prompt without a word has one hash, of its text."""
    plain = plain_words(prompts)
    text = plain.zip_with(plain != "", prompts.str.replace_all(" ", "_", literal=True))
    table = text.alias("word").to_frame().with_row_index("row")
    words = table.with_columns(pl.col("word").str.split(" ")).explode("word")
    distinct = words["word"].unique()
    hashes = [zlib.crc32(word.encode()) for word in distinct]
    known = pl.DataFrame([distinct, pl.Series("hash", hashes, pl.UInt64)])
    found = words.join(known, on="word", how="left", maintain_order="left")
    rows, codes = found["row"].to_numpy().astype(np.uint64), found["hash"].to_numpy()
    pairs = np.flatnonzero(rows[1:] == rows[:-1])
    singles = splitmix64(codes * _WORD)
    doubles = splitmix64(singles[pairs] * _PAIR + codes[pairs + 1])
    high = np.uint64(32)
    tagged = np.concatenate([singles, doubles]) >> high
    tagged |= np.concatenate([rows, rows[pairs]]) << high
    sets = np.unique(tagged)
    offsets = np.searchsorted(sets >> high, np.arange(prompts.len() + 1, dtype=np.uint64))
    return Shingles((sets & np.uint64(0xFFFFFFFF)).astype(np.uint32), offsets.astype(np.int64))


def jaccards(left: Shingles, right: Shingles) -> np.ndarray:
    """Jaccard similarity (n,) of row i of `left` and row i of `right`."""
    left_sizes, right_sizes = left.sizes(), right.sizes()
    rows = np.arange(len(left_sizes), dtype=np.uint64) << np.uint64(32)
    tagged = np.concatenate(
        [np.repeat(rows, left_sizes) | left.hashes, np.repeat(rows, right_sizes) | right.hashes]
    )
    tagged.sort()
    shared = tagged[1:][tagged[1:] == tagged[:-1]] >> np.uint64(32)
    both = np.bincount(shared.astype(np.int64), minlength=len(rows))
    return np.asarray(both / (left_sizes + right_sizes - both))
