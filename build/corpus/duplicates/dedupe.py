"""Near-duplicate prompts out: PROMPTS table and vectors (n, d) -> the kept rows of both."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.tables import PROMPTS, check_schema
from unprompt.index.vectors.nearest import nearest_over, unit_rows

BLOCK = 1024
DROPPED = pl.Schema(
    {
        "prompt_id": pl.UInt64,
        "kept_prompt_id": pl.UInt64,  # the nearest of the prompts kept before it
        "cosine": pl.Float64,
    }
)


@dataclass(frozen=True)
class Deduplicated:
    """The kept rows, their vectors (kept, d) float32, and what was dropped for which of them."""

    table: pl.DataFrame
    vectors: np.ndarray
    report: pl.DataFrame


def drop_near_duplicates(
    table: pl.DataFrame, vectors: np.ndarray, threshold: float | None = 0.8
) -> Deduplicated:
    """Go down the rows; drop one whose cosine to an earlier, kept one is at or over `threshold`.

    None, or 1.0 and above, keeps everything.
    """
    table = check_schema(table, PROMPTS, "the prompt table")
    if table.height != len(vectors):
        raise CorpusError(f"{table.height} prompts but {len(vectors)} vectors; embed them again")
    if threshold is not None and not threshold > 0.0:
        raise ConfigError(f"a de-duplication threshold must be over 0, got {threshold}")
    rows = unit_rows(vectors, "prompt vectors")
    if threshold is None or threshold >= 1.0:
        return Deduplicated(table, rows, pl.DataFrame(schema=DROPPED))
    cosines, keepers = _keepers(rows, threshold)
    kept, dropped = np.flatnonzero(keepers < 0), np.flatnonzero(keepers >= 0)
    ids = table["prompt_id"].to_numpy()
    report = pl.DataFrame(
        {
            "prompt_id": ids[dropped],
            "kept_prompt_id": ids[keepers[dropped]],
            "cosine": cosines[dropped],
        },
        schema=DROPPED,
    )
    return Deduplicated(table[kept], rows[kept], report)


def _keepers(vectors: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """For each row the nearest kept row before it: cosines (n,), rows (n,); -1 where it is kept."""
    n = len(vectors)
    cosines = np.full(n, -np.inf)
    keepers = np.full(n, -1, dtype=np.int64)
    kept_rows = np.empty(n, dtype=np.int64)
    kept_vectors = np.empty_like(vectors)
    count = 0
    for start in range(0, n, BLOCK):
        block = vectors[start : start + BLOCK]
        span = slice(start, start + len(block))
        if count:
            cosines[span], found = nearest_over(block, kept_vectors[:count], threshold)
            keepers[span] = np.where(found >= 0, kept_rows[found], -1)
        settle_block(block, start, threshold, cosines[span], keepers[span])
        kept = np.flatnonzero(keepers[span] < 0)
        kept_rows[count : count + len(kept)] = kept + start
        kept_vectors[count : count + len(kept)] = block[kept]
        count += len(kept)
    return cosines, keepers


def settle_block(
    block: np.ndarray, start: int, threshold: float, cosines: np.ndarray, keepers: np.ndarray
) -> None:
    """Let each row that nothing has dropped drop the later rows of its block, in place."""
    # float64, so that a cosine at the threshold falls on the same side as in `nearest_over`.
    wide = block.astype(np.float64)
    within = wide @ wide.T
    for row in range(len(block)):
        if keepers[row] >= 0:
            continue
        later = within[row, row + 1 :]
        nearer = row + 1 + np.flatnonzero((later >= threshold) & (later > cosines[row + 1 :]))
        cosines[nearer] = within[row, nearer]
        keepers[nearer] = start + row
