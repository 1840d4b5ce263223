"""Rows that come into an index at one time -> the files of their segment, each written whole."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.tables import ROWS, write_table
from unprompt.index.search.fold import Fold
from unprompt.index.store.index_files import KEYS, LENGTHS, LOOKUP, ROWS_FILE, TARGETS
from unprompt.index.store.manifest import Segment, generation_name
from unprompt.index.store.row_lookup import LOOKUP_ROWS, write_lookup
from unprompt.index.vectors.matrix import Matrix
from unprompt.index.vectors.matrix_files import open_matrix, write_matrix


class IndexContent(NamedTuple):
    """What goes into an index, row by row."""

    rows: pl.DataFrame  # ROWS
    keys: Matrix  # (n, d_image) unit length; what lies on disk is never read whole
    targets: Matrix  # (n, d_prompt) unit length
    space: str
    target_space: str
    key_kind: str = "image"


def write_segment(folder: Path, content: IndexContent, generation: int, keep_keys: bool) -> Segment:
    """Write the rows, targets and, where they are kept, keys that a generation adds."""
    names = (ROWS_FILE, TARGETS, KEYS, LOOKUP)
    rows, targets, keys, lookup = (generation_name(name, generation) for name in names)
    write_table(folder / rows, content.rows, ROWS)
    segment = Segment(content.rows.height, rows, targets, None)
    if segment.count >= LOOKUP_ROWS:
        write_lookup(folder / lookup, content.rows)
        segment = replace(segment, lookup=lookup)
    write_matrix(folder / targets, content.targets, np.float16)
    if keep_keys:
        write_matrix(folder / keys, content.keys, np.float16)
        segment = replace(segment, keys=keys)
    return segment


def write_lengths(folder: Path, segment: Segment, generation: int, scored: Fold | None) -> Segment:
    """Write the lengths of kept keys, where these are `scored` exactly by them."""
    if scored is None or segment.keys is None:
        return segment
    lengths = generation_name(LENGTHS, generation)
    write_matrix(folder / lengths, scored.lengths(open_matrix(folder / segment.keys)), np.float32)
    return replace(segment, lengths=lengths)
