"""An index and rows to add or remove -> its next generation; row ids never change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.sealed.records import record_files
from unprompt.index.search.codes import Coder
from unprompt.index.search.faiss_files import merge_lists, read_training, write_vectors
from unprompt.index.store.drift import MAX_GROWTH, measure_drift
from unprompt.index.store.generations import change_index
from unprompt.index.store.manifest import (
    LISTS,
    REMOVED,
    VECTORS,
    IndexManifest,
    generation_name,
    write_manifest,
)
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent, write_lengths, write_segment
from unprompt.index.vectors.matrix import ChosenRows, Matrix, row_blocks, write_matrix
from unprompt.index.vectors.nearest import unit_rows


@dataclass(frozen=True)
class IndexChange:
    """The manifest after a change of an index, and what changed."""

    manifest: IndexManifest
    added: int = 0
    removed: int = 0
    skipped: int = 0  # rows that the index had already
    rebuilt: bool = False
    notes: tuple[str, ...] = ()  # for the user


def add_rows(folder: Path, content: IndexContent) -> IndexChange:
    """Add rows; those whose row id the index has already are skipped.

    Raises SpaceMismatchError for keys or targets of other encoders, UnpromptError for vectors of
    another dimension or that are not finite unit vectors.
    """
    with change_index(folder) as before:
        index = PromptIndex(folder, before, writable=True)
        _check_content(index, content)
        new = _new_rows(index, content)
        skipped = content.rows.height - new.rows.height
        if not new.rows.height:
            return IndexChange(before, skipped=skipped)
        notes = _notes(index, new)
        number = before.generation + 1
        vectors = generation_name(VECTORS, number)
        lists = None if before.lists is None else generation_name(LISTS, number)
        filled = _add_keys(index, new.keys, None if lists is None else folder / lists)
        write_vectors(folder / vectors, filled)
        segment = write_segment(folder, new, number, index.keys is not None)
        segment = write_lengths(folder, segment, number, index.folded_transforms)
        written = (vectors, *segment.files) if lists is None else (vectors, lists, *segment.files)
        after = replace(
            _next_generation(folder, before, written, (before.vectors, before.lists)),
            ntotal=before.ntotal + segment.count,
            prompts=pl.concat([index.rows["prompt_id"], new.rows["prompt_id"]]).n_unique(),
            vectors=vectors,
            lists=lists,
            segments=(*before.segments, segment),
        )
        write_manifest(folder, after)
    return IndexChange(after, added=segment.count, skipped=skipped, notes=notes)


def remove_rows(folder: Path, row_ids: Sequence[int]) -> IndexChange:
    """Remove rows by their row ids; their vectors stay in the files until the index is rebuilt.

    Raises UnpromptError for a row id that the index lacks, or where no row would be left.
    """
    with change_index(folder) as before:
        index = PromptIndex(folder, before)
        wanted = pl.Series(list(row_ids), dtype=pl.Int64).unique()
        unknown = wanted.filter(~wanted.is_in(index.rows["row_id"].implode()))
        if len(unknown):
            raise UnpromptError(
                f"{len(unknown)} of {len(wanted)} row ids are not in {folder}, the first is "
                f"{unknown[0]}; `unprompt invert` and the page show row ids"
            )
        if not len(wanted):
            return IndexChange(before)
        if len(wanted) == before.ntotal:
            raise UnpromptError(
                f"all {before.ntotal} rows of {folder} would be removed, and an index needs one at "
                "least; delete the folder instead"
            )
        leaving = index.rows["row_id"].is_in(wanted.implode())
        removed = generation_name(REMOVED, before.generation + 1)
        write_matrix(folder / removed, index.live.removed_with(leaving.to_numpy()), np.int64)
        after = replace(
            _next_generation(folder, before, (removed,), (before.removed,)),
            ntotal=before.ntotal - len(wanted),
            prompts=index.rows["prompt_id"].filter(~leaving).n_unique(),
            removed=removed,
        )
        write_manifest(folder, after)
    return IndexChange(after, removed=len(wanted))


def _next_generation(
    folder: Path, before: IndexManifest, written: Sequence[str], replaced: Collection[str | None]
) -> IndexManifest:
    """The manifest with the next number, the files `written` and without those `replaced`."""
    files = {name: record for name, record in before.files.items() if name not in replaced}
    files |= record_files(folder, written)
    return replace(before, files=files, generation=before.generation + 1)


def _add_keys(index: PromptIndex, keys: Matrix, lists: Path | None) -> Any:
    """The FAISS index with the keys added; lists on disk are written to the new file `lists`."""
    blocks = (block for _, block in row_blocks(keys))
    if lists is None:
        for block in blocks:
            index.vectors.add(np.ascontiguousarray(block, dtype=np.float32))
        return index.vectors
    trained = index.folder / index.manifest.vectors
    coder = Coder(read_training(trained))
    new = coder.fill((coder.encode(block) for block in blocks), index.manifest.stored)
    return merge_lists(read_training(trained), (index.vectors, new), lists)


def _check_content(index: PromptIndex, content: IndexContent) -> None:
    manifest, remedy = index.manifest, "Embed the rows with the encoder of the index."
    index.check_encoder(content.space)
    check_same_space(manifest.target_space, content.target_space, "the new targets", remedy)
    if manifest.keys != content.key_kind:
        raise ConfigError(
            f"the keys of the index are of {manifest.keys}s, the new ones of {content.key_kind}s"
        )
    counts = (content.rows.height, len(content.keys), len(content.targets))
    if len(set(counts)) != 1:
        raise UnpromptError(f"wanted as many rows as keys and targets, got {counts}")
    _check_unit_rows(content.keys, "the new keys", manifest.dim)
    _check_unit_rows(content.targets, "the new targets", manifest.target_dim)


def _check_unit_rows(vectors: Matrix, name: str, dim: int) -> None:
    for start, block in row_blocks(vectors):
        unit_rows(np.asarray(block), f"{name} from row {start} on" if start else name, dim)


def _new_rows(index: PromptIndex, content: IndexContent) -> IndexContent:
    """The content without rows that the index has already, or that repeat a row id."""
    known = content.rows["row_id"].is_in(index.rows["row_id"].implode())
    new = (~known & content.rows["row_id"].is_first_distinct()).to_numpy()
    if new.all():
        return content
    places = np.flatnonzero(new)
    return content._replace(
        rows=content.rows.filter(pl.Series(new)),
        keys=ChosenRows(content.keys, places),
        targets=ChosenRows(content.targets, places),
    )


def _notes(index: PromptIndex, new: IndexContent) -> tuple[str, ...]:
    """Reasons to rebuild the index, for the user."""
    notes, manifest = [], index.manifest
    drift = measure_drift(index, new.keys)
    if drift is not None and drift.is_large:
        notes.append(
            f"the new rows are unlike the index: their nearest row is at {drift.new:.3f} (median), "
            f"that of its own rows at {drift.stored:.3f}; `unprompt index rebuild` trains it again"
        )
    if manifest.stored + len(new.keys) > MAX_GROWTH * manifest.trained_rows:
        notes.append(
            f"the index was trained on {manifest.trained_rows:,} rows and now has "
            f"{manifest.ntotal + len(new.keys):,}; `unprompt index rebuild` trains it again"
        )
    return tuple(notes)
