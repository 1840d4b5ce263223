"""Rows of labelled pairs -> the keys (n, d) of their pictures by one encoder, cached by block.

The file of a block is named by the content of its pictures, and its folder by the encoder. A killed
job goes on where it stopped, and changed labels cost no new keys.
"""

from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import digest_bytes, write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.pairs.labelled_pairs import iterate_pictures

BLOCK = 256  # pictures


def encode_rows(
    encoder: BulkEncoder,
    rows: pl.DataFrame,
    cache: Path,
    progress: Progress = SILENT,
    what: str = "encode pictures",
) -> np.ndarray:
    """Keys (n, d) float32 of the pictures of LABELLED rows; NaN for one that cannot be read."""
    blocks = [np.zeros((0, encoder.dim), np.float32)]
    starts = range(0, rows.height, BLOCK)
    for start in progress.track(starts, what, len(starts)):
        contents = list(iterate_pictures(rows[start : start + BLOCK]))
        digests = "".join(digest_bytes(content) for _, content in contents)
        path = cache / encoder.space / f"{digest_bytes(digests.encode())[:24]}.npy"
        found = _load(path, (len(contents), encoder.dim))
        blocks.append(_store(path, encoder, contents) if found is None else found)
    return np.concatenate(blocks)


def _load(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """A finished block; None where there is none that can be read."""
    try:
        block = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return block if block.shape == shape else None


def _store(path: Path, encoder: BulkEncoder, contents: list[tuple[str, bytes]]) -> np.ndarray:
    missing = np.full(encoder.dim, np.nan, np.float32)
    vectors = [
        vector if isinstance(vector, np.ndarray) else missing
        for _, vector in encode_contents(encoder, contents)
    ]
    block = np.stack(vectors)
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, block)
    return block
