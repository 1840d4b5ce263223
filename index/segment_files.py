"""Rows that come into an index at one time -> the files of their segment, each written whole."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.durable import write_atomically
from unprompt.index.fold import Fold
from unprompt.index.index_files import KEYS, LENGTHS, LOOKUP, ROWS_FILE, TARGETS
from unprompt.index.manifest import Segment, generation_name
from unprompt.index.row_lookup import LOOKUP_ROWS, write_lookup
from unprompt.index.tables import ROWS, write_table


class IndexContent(NamedTuple):
    """What goes into an index, row by row."""

    rows: pl.DataFrame  # ROWS
    keys: np.ndarray  # (n, d_image) unit length
    targets: np.ndarray  # (n, d_prompt) unit length
    space: str
    target_space: str
    key_kind: str = "image"


def write_segment(
    folder: Path, content: IndexContent, generation: int, keep_keys: bool, scored: Fold | None
) -> Segment:
    """Write what a generation adds; `scored` where kept keys are scored exactly that way."""
    names = (ROWS_FILE, TARGETS, KEYS, LOOKUP, LENGTHS)
    rows, targets, keys, lookup, lengths = (generation_name(name, generation) for name in names)
    write_table(folder / rows, content.rows, ROWS)
    segment = Segment(content.rows.height, rows, targets, None)
    if segment.count >= LOOKUP_ROWS:
        write_lookup(folder / lookup, content.rows)
        segment = replace(segment, lookup=lookup)
    write_array(folder / targets, content.targets.astype(np.float16, copy=False))
    if keep_keys:
        kept = content.keys.astype(np.float16, copy=False)
        write_array(folder / keys, kept)
        segment = replace(segment, keys=keys)
        if scored is not None:
            write_array(folder / lengths, scored.lengths(kept))
            segment = replace(segment, lengths=lengths)
    return segment


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file atomically."""
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(array))
