"""Whole indexes -> one merged index, or one that is trained and filled anew."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.generations import change_index
from unprompt.index.store.manifest import write_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segment_files import IndexContent
from unprompt.index.store.update import Change, add_rows
from unprompt.index.store.write import write_index


def merge_indexes(folders: Sequence[Path], output: Path) -> Change:
    """The first index, with its training, and the rows of all others, as an index of its own.

    Raises ConfigError where `output` is there, UnpromptError where another one keeps no keys.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already; choose another output folder")
    unfinished = output.with_name(output.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with change_index(folders[0]) as manifest:
        unfinished.mkdir(parents=True)
        for name in manifest.files:
            shutil.copyfile(folders[0] / name, unfinished / name)
    write_manifest(unfinished, manifest)
    changes = [add_rows(unfinished, read_content(folder)) for folder in folders[1:]]
    unfinished.rename(output)
    return Change(
        changes[-1].manifest if changes else manifest,
        added=sum(change.added for change in changes),
        skipped=sum(change.skipped for change in changes),
        notes=tuple(note for change in changes for note in change.notes),
    )


def rebuild_index(
    folder: Path,
    config: IndexConfig,
    held_out: np.ndarray | None = None,
    progress: Progress = SILENT,
) -> Change:
    """Train and fill anew from the kept keys: removed rows go, the type is chosen by size again.

    `held_out` (q, d_image) are queries that measure recall.
    """
    with change_index(folder) as before:
        content = read_content(folder)
        queries = content.keys[:0] if held_out is None else held_out
        after = write_index(folder, content, queries, config, before.generation + 1, progress)
    return Change(after, removed=before.stored - before.ntotal, rebuilt=True)


def read_content(folder: Path) -> IndexContent:
    """All that went into an index; raises UnpromptError where it keeps no keys."""
    index = PromptIndex.load(folder)
    if index.keys is None:
        raise UnpromptError(
            f"{folder} keeps no keys, which merging and rebuilding need; build it again with "
            "`--set index.keep_keys=true`"
        )
    manifest = index.manifest
    return IndexContent(
        rows=index.rows,
        keys=index.keys,
        targets=index.targets,
        space=manifest.space,
        target_space=manifest.target_space,
        key_kind=manifest.keys,
    )
