"""Prompts as sets of words and word pairs: (n,) strings -> hashes (s,) uint32, offsets (n + 1,).

Row i has the hashes offsets[i] to offsets[i + 1], rising, each once. The hashes are the same on
every machine.
"""

import zlib
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.duplicates.keys import plain_words

_WORD, _PAIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Shingles(NamedTuple):
    """Sets of many rows."""

    hashes: np.ndarray  # (s,) uint32
    offsets: np.ndarray  # (n + 1,) int64

    def sizes(self) -> np.ndarray:
        """Hashes of each row, (n,)."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "Shingles":
        """The sets of `rows`, in their order."""
        sizes = self.sizes()[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return Shingles(self.hashes[np.repeat(self.offsets[rows], sizes) + within], offsets)


def shingle(prompts: pl.Series) -> Shingles:
    """Words and pairs of neighbouring words; a prompt without a word is one hash of its text."""
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
    singles = mix(codes * _WORD)
    doubles = mix(singles[pairs] * _PAIR + codes[pairs + 1])
    high = np.uint64(32)
    marked = np.concatenate([singles, doubles]) >> high
    marked |= np.concatenate([rows, rows[pairs]]) << high
    sets = np.unique(marked)
    offsets = np.searchsorted(sets >> high, np.arange(prompts.len() + 1, dtype=np.uint64))
    return Shingles((sets & np.uint64(0xFFFFFFFF)).astype(np.uint32), offsets.astype(np.int64))


def mix(codes: np.ndarray) -> np.ndarray:
    """Scatter uint64 codes (splitmix64): codes that differ in a bit differ in half of the bits."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))


def jaccards(left: Shingles, right: Shingles) -> np.ndarray:
    """Jaccard similarity (n,) of row i of `left` and row i of `right`."""
    left_sizes, right_sizes = left.sizes(), right.sizes()
    rows = np.arange(len(left_sizes), dtype=np.uint64) << np.uint64(32)
    marked = np.concatenate(
        [np.repeat(rows, left_sizes) | left.hashes, np.repeat(rows, right_sizes) | right.hashes]
    )
    marked.sort()
    shared = marked[1:][marked[1:] == marked[:-1]] >> np.uint64(32)
    both = np.bincount(shared.astype(np.int64), minlength=len(rows))
    return np.asarray(both / (left_sizes + right_sizes - both))
