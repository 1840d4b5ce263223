"""Near-duplicates by vectors: rows of vectors (n, d) -> which are dropped for which.

FOLDER/00000.parquet    what is dropped of rows 0 to ROWS_EACH, then of the next as many

As `drop_near_duplicates` of dedupe.py: down the rows, one falls where an earlier, kept one is
at or over the threshold, and the nearest such is named. Kept rows come from an index that may
overlook some, so a few near pairs may both stay; within a block of rows nothing is overlooked.
"""

from pathlib import Path

import numpy as np

from unprompt.build.corpus.duplicates.dedupe import BLOCK, settle_block
from unprompt.build.corpus.duplicates.drops import Drops, join_drops, read_drops, write_drops
from unprompt.build.corpus.duplicates.growing_index import GrowingIndex
from unprompt.build.corpus.duplicates.vectors import Vectors, blocks
from unprompt.index.base.progress import SILENT, Progress

ROWS_EACH = 65_536  # lost at most when a run is killed
PROPOSED = 8


def drop_by_cosine(
    folder: Path,
    vectors: Vectors,
    threshold: float,
    probe: int,
    progress: Progress = SILENT,
) -> Drops:
    """Go down all rows of `vectors`; shards whose file is there are taken as they are."""
    rows = np.arange(len(vectors))
    paths = [folder / f"{shard:05d}.parquet" for shard in range(-(-len(rows) // ROWS_EACH))]
    done = [path.is_file() for path in paths]
    if not all(done):
        index = GrowingIndex(vectors, rows, probe)
        for shard in progress.track(range(len(paths)), "compare vectors", len(paths)):
            span = rows[shard * ROWS_EACH : (shard + 1) * ROWS_EACH]
            if done[shard]:
                _add_kept(index, vectors, span, read_drops(paths[shard]))
            else:
                write_drops(paths[shard], _drop_of_shard(index, vectors, span, threshold))
    return join_drops([read_drops(path) for path in paths])


def _add_kept(index: GrowingIndex, vectors: Vectors, span: np.ndarray, drops: Drops) -> None:
    kept = np.setdiff1d(span, drops.rows, assume_unique=True)
    for start, block in blocks(vectors, kept, 8 * BLOCK):
        index.add(block, kept[start : start + len(block)])


def _drop_of_shard(
    index: GrowingIndex, vectors: Vectors, span: np.ndarray, threshold: float
) -> Drops:
    """Drop of one shard's rows, and add those that stay to the index."""
    parts = []
    for start, block in blocks(vectors, span, BLOCK):
        rows = span[start : start + len(block)]
        cosines, found = index.near(block, PROPOSED)
        best = np.argmax(cosines, axis=1)
        every = np.arange(len(block))
        nearest, keepers = cosines[every, best], found[every, best]
        far = nearest < threshold
        nearest[far], keepers[far] = -np.inf, -1
        settle_block(block, int(rows[0]), threshold, nearest, keepers)
        fallen = keepers >= 0
        parts.append(
            Drops(
                rows[fallen].astype(np.uint32), keepers[fallen].astype(np.uint32), nearest[fallen]
            )
        )
        index.add(block[~fallen], rows[~fallen])
    return join_drops(parts)
