"""Near-duplicates by cosine: vectors (n, d) -> the dropped rows, each with the row it duplicates.

Both searches go down the rows in order. A row is dropped if the cosine to an earlier, kept row is
at or over the threshold; the nearest such row is recorded. `drop_exactly` compares all pairs in
memory. `drop_by_index` takes candidates from an approximate index of the kept rows, so that it may
miss a near pair; within one block of rows it misses none.

FOLDER/00000.parquet    what `drop_by_index` drops of the first ROWS_EACH rows, and so on
"""

from pathlib import Path

import numpy as np

from unprompt.build.corpus.duplicates.duplicate_rows import (
    DuplicateRows,
    concat_duplicates,
    duplicate_rows,
    read_duplicates,
    write_duplicates,
)
from unprompt.build.corpus.duplicates.growing_index import GrowingIndex
from unprompt.build.corpus.duplicates.vectors import Vectors, blocks
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.vectors.nearest import nearest_over

BLOCK = 1024
ROWS_EACH = 65_536  # of one file: the most that a killed run computes again
CANDIDATES = 8  # per row, from the index


def drop_exactly(vectors: np.ndarray, threshold: float) -> DuplicateRows:
    """Compare all rows of `vectors` (n, d), unit length float32."""
    parts: list[DuplicateRows] = []
    kept_rows = np.empty(len(vectors), np.int64)
    kept_vectors = np.empty_like(vectors)
    count = 0
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        rows = np.arange(start, start + len(block))
        cosines, keepers = np.full(len(block), -np.inf), np.full(len(block), -1)
        if count:
            cosines, found = nearest_over(block, kept_vectors[:count], threshold)
            keepers = np.where(found >= 0, kept_rows[found], -1)
        parts.append(_drop_within(block, rows, threshold, cosines, keepers))
        kept = np.flatnonzero(keepers < 0)
        kept_rows[count : count + len(kept)] = rows[kept]
        kept_vectors[count : count + len(kept)] = block[kept]
        count += len(kept)
    return concat_duplicates(parts)


def drop_by_index(
    folder: Path,
    vectors: Vectors,
    threshold: float,
    probe: int,
    progress: Progress = SILENT,
) -> DuplicateRows:
    """Compare all rows of `vectors` with `probe` cells of an index; finished files are read."""
    rows = np.arange(len(vectors))
    paths = [folder / f"{shard:05d}.parquet" for shard in range(-(-len(rows) // ROWS_EACH))]
    done = [path.is_file() for path in paths]
    if not all(done):
        index = GrowingIndex(vectors, rows, probe)
        for shard in progress.track(range(len(paths)), "compare vectors", len(paths)):
            span = rows[shard * ROWS_EACH : (shard + 1) * ROWS_EACH]
            if done[shard]:
                _add_kept(index, vectors, span, read_duplicates(paths[shard]))
            else:
                write_duplicates(paths[shard], _drop_of_shard(index, vectors, span, threshold))
    return concat_duplicates([read_duplicates(path) for path in paths])


def _add_kept(
    index: GrowingIndex, vectors: Vectors, span: np.ndarray, found: DuplicateRows
) -> None:
    kept = np.setdiff1d(span, found.rows, assume_unique=True)
    for start, block in blocks(vectors, kept, 8 * BLOCK):
        index.add(block, kept[start : start + len(block)])


def _drop_of_shard(
    index: GrowingIndex, vectors: Vectors, span: np.ndarray, threshold: float
) -> DuplicateRows:
    """The duplicates among the rows `span`; the other rows are added to the index."""
    parts = []
    for start, block in blocks(vectors, span, BLOCK):
        rows = span[start : start + len(block)]
        cosines, found = index.near(block, CANDIDATES)
        best = np.argmax(cosines, axis=1)
        every = np.arange(len(block))
        nearest, keepers = cosines[every, best], found[every, best]
        far = nearest < threshold
        nearest[far], keepers[far] = -np.inf, -1
        parts.append(_drop_within(block, rows, threshold, nearest, keepers))
        kept = keepers < 0
        index.add(block[kept], rows[kept])
    return concat_duplicates(parts)


def _drop_within(
    block: np.ndarray,
    rows: np.ndarray,
    threshold: float,
    cosines: np.ndarray,
    keepers: np.ndarray,
) -> DuplicateRows:
    """The duplicates in a block (m, d) of the rows `rows` (m,).

    `cosines` and `keepers` (m,) hold the nearest kept row before the block, -1 if none is near.
    Both are updated in place: every kept row of the block drops the later rows near to it.
    """
    # float64, so that a cosine at the threshold falls on the same side as in `nearest_over`.
    wide = block.astype(np.float64)
    within = wide @ wide.T
    for row in range(len(block)):
        if keepers[row] >= 0:
            continue
        later = within[row, row + 1 :]
        nearer = row + 1 + np.flatnonzero((later >= threshold) & (later > cosines[row + 1 :]))
        cosines[nearer] = within[row, nearer]
        keepers[nearer] = rows[row]
    dropped = keepers >= 0
    return duplicate_rows(rows[dropped], keepers[dropped], cosines[dropped])
