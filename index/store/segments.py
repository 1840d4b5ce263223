"""Rows, keys and targets that are added at one time -> the files of a segment."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from unprompt.index.base.tables import ROWS, write_table
from unprompt.index.search.refine import FoldedTransforms
from unprompt.index.store.lookup import write_lookup
from unprompt.index.store.manifest import (
    KEYS,
    LENGTHS,
    LOOKUP,
    PROMPT_KEYS,
    ROWS_FILE,
    TARGETS,
    Segment,
    generation_name,
)
from unprompt.index.vectors.matrix import Matrix, open_matrix, write_matrix

LOOKUP_ROWS = 1000  # from here a segment has a lookup; a smaller table is read whole as fast


class IndexContent(NamedTuple):
    """The rows that go into an index, with their keys and targets."""

    rows: pl.DataFrame  # ROWS
    keys: Matrix  # (n, d_image) unit length; a matrix on disk is never read whole
    targets: Matrix  # (n, d_prompt) unit length
    space: str  # of the encoder that made the keys
    target_space: str  # of the prompt encoder that made the targets
    key_kind: str = "image"  # or text, class; prompt: the keys are the targets


def write_segment(folder: Path, content: IndexContent, generation: int, keep_keys: bool) -> Segment:
    """Write the rows, targets and, if they are to be kept, keys that a generation adds.

    Where the keys are prompt vectors, the codes hold the targets, and the rows have one file only.
    """
    names = (ROWS_FILE, TARGETS, KEYS, LOOKUP)
    rows, targets, keys, lookup = (generation_name(name, generation) for name in names)
    write_table(folder / rows, content.rows, ROWS)
    of_prompts = content.key_kind == PROMPT_KEYS
    segment = Segment(content.rows.height, rows, None if of_prompts else targets, None)
    if segment.count >= LOOKUP_ROWS and not of_prompts:
        write_lookup(folder / lookup, content.rows)
        segment = replace(segment, lookup=lookup)
    if not of_prompts:
        write_matrix(folder / targets, content.targets, np.float16)
    if keep_keys:
        write_matrix(folder / keys, content.keys, np.float16)
        segment = replace(segment, keys=keys)
    return segment


def write_lengths(
    folder: Path, segment: Segment, generation: int, folded: FoldedTransforms | None
) -> Segment:
    """Write the lengths of the stored keys, where folded transforms score them."""
    if folded is None or segment.keys is None:
        return segment
    lengths = generation_name(LENGTHS, generation)
    write_matrix(folder / lengths, folded.lengths(open_matrix(folder / segment.keys)), np.float32)
    return replace(segment, lengths=lengths)
