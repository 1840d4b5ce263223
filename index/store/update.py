"""An index and rows that come or go -> its next generation; ids of rows stay for good."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.search.codes import Coder
from unprompt.index.search.disk_lists import merge_lists, read_listless
from unprompt.index.search.faiss_files import write_vectors
from unprompt.index.store.drift import GROWTH, measure_drift
from unprompt.index.store.generations import change_index
from unprompt.index.store.index_files import LISTS, REMOVED, VECTORS
from unprompt.index.store.manifest import IndexManifest, record_files, write_manifest
from unprompt.index.store.manifest import generation_name as name_of
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segment_files import IndexContent, write_lengths, write_segment
from unprompt.index.vectors.matrix import ChosenRows, Matrix
from unprompt.index.vectors.matrix_files import write_matrix
from unprompt.index.vectors.nearest import unit_rows

BLOCK = 65_536  # rows added at a time


@dataclass(frozen=True)
class Change:
    """What became of an index."""

    manifest: IndexManifest
    added: int = 0
    removed: int = 0
    skipped: int = 0  # rows that were there already
    rebuilt: bool = False
    notes: tuple[str, ...] = ()  # what the user should know


def add_rows(folder: Path, content: IndexContent) -> Change:
    """Add rows; those whose id is there already are skipped, so that a rerun adds nothing.

    Raises SpaceMismatchError for keys or targets of other encoders, UnpromptError for vectors of
    another dimension or that are not finite unit vectors.
    """
    with change_index(folder) as before:
        index = PromptIndex(folder, before, changing=True)
        _check_content(index, content)
        fresh = _fresh(index, content)
        skipped = content.rows.height - fresh.rows.height
        if not fresh.rows.height:
            return Change(before, skipped=skipped)
        notes = _notes(index, fresh)
        number = before.generation + 1
        vectors = name_of(VECTORS, number)
        lists = None if before.lists is None else name_of(LISTS, number)
        grown = _grow(index, fresh.keys, None if lists is None else folder / lists)
        write_vectors(folder / vectors, grown)
        segment = write_segment(folder, fresh, number, index.keys is not None)
        segment = write_lengths(folder, segment, number, index.fold)
        prompts = pl.concat([index.rows["prompt_id"], fresh.rows["prompt_id"]]).n_unique()
        replaced = (before.vectors, before.lists)
        kept = {name: record for name, record in before.files.items() if name not in replaced}
        written = (vectors, *segment.files) if lists is None else (vectors, lists, *segment.files)
        after = replace(
            before,
            ntotal=before.ntotal + segment.count,
            prompts=prompts,
            files={**kept, **record_files(folder, written)},
            vectors=vectors,
            lists=lists,
            segments=(*before.segments, segment),
            generation=number,
        )
        write_manifest(folder, after)
    return Change(after, added=segment.count, skipped=skipped, notes=notes)


def remove_rows(folder: Path, row_ids: Sequence[int]) -> Change:
    """Remove rows by their ids; their vectors stay in the files until the index is rebuilt.

    Raises UnpromptError where an id is not there, or no row would be left.
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
            return Change(before)
        if len(wanted) == before.ntotal:
            raise UnpromptError(
                f"all {before.ntotal} rows of {folder} would be removed, and an index needs one at "
                "least; delete the folder instead"
            )
        leaving = index.rows["row_id"].is_in(wanted.implode())
        number = before.generation + 1
        name = name_of(REMOVED, number)
        write_matrix(folder / name, index.places_removed(leaving.to_numpy()), np.int64)
        kept = {n: record for n, record in before.files.items() if n != before.removed}
        after = replace(
            before,
            ntotal=before.ntotal - len(wanted),
            prompts=index.rows["prompt_id"].filter(~leaving).n_unique(),
            files={**kept, **record_files(folder, (name,))},
            removed=name,
            generation=number,
        )
        write_manifest(folder, after)
    return Change(after, removed=len(wanted))


def _grow(index: PromptIndex, keys: Matrix, lists: Path | None) -> Any:
    """The FAISS index with more rows; lists on disk are written anew, to the file `lists`."""
    blocks = (keys[start : start + BLOCK] for start in range(0, len(keys), BLOCK))
    if lists is None:
        for block in blocks:
            index.vectors.add(np.ascontiguousarray(block, dtype=np.float32))
        return index.vectors
    trained = index.folder / index.manifest.vectors
    coder = Coder(read_listless(trained))
    fresh = coder.fill((coder.encode(block) for block in blocks), index.manifest.stored)
    return merge_lists(read_listless(trained), (index.vectors, fresh), lists)


def _check_content(index: PromptIndex, content: IndexContent) -> None:
    manifest, remedy = index.manifest, "Embed the rows with the encoder of the index."
    index.check_encoder(content.space)
    check_same_space(manifest.target_space, content.target_space, "the new targets", remedy)
    if manifest.keys != content.key_kind:
        raise ConfigError(f"the index' keys are {manifest.keys}s, the new ones {content.key_kind}s")
    counts = (content.rows.height, len(content.keys), len(content.targets))
    if len(set(counts)) != 1:
        raise UnpromptError(f"wanted as many rows as keys and targets, got {counts}")
    _check_unit_rows(content.keys, "the new keys", manifest.dim)
    _check_unit_rows(content.targets, "the new targets", manifest.target_dim)


def _check_unit_rows(vectors: Matrix, name: str, dim: int) -> None:
    for start in range(0, len(vectors), BLOCK):
        block = f"{name} from row {start} on" if start else name
        unit_rows(np.asarray(vectors[start : start + BLOCK]), block, dim)


def _fresh(index: PromptIndex, content: IndexContent) -> IndexContent:
    """Without the rows that are there already."""
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


def _notes(index: PromptIndex, fresh: IndexContent) -> tuple[str, ...]:
    notes, manifest = [], index.manifest
    drift = measure_drift(index, fresh.keys)
    if drift is not None and drift.is_large:
        notes.append(
            f"the new rows are unlike the index: their nearest row is at {drift.new:.3f} (median), "
            f"that of its own rows at {drift.stored:.3f}; `unprompt index rebuild` trains it anew"
        )
    if manifest.stored + len(fresh.keys) > GROWTH * manifest.trained_rows:
        notes.append(
            f"the index was trained on {manifest.trained_rows:,} rows and now has "
            f"{manifest.ntotal + len(fresh.keys):,}; `unprompt index rebuild` trains it anew"
        )
    return tuple(notes)
