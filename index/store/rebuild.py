"""Indexes -> one merged index, or one index trained and filled again."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.owner import owned, unchanged
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.generations import change_index
from unprompt.index.store.manifest import PROMPT_KEYS, read_index_manifest, write_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import IndexChange, add_rows
from unprompt.index.store.write import write_index


def merge_indexes(folders: Sequence[Path], output: Path) -> IndexChange:
    """Copy the first index, with its training, and add the rows of all others.

    Raises ConfigError where `output` exists, UnpromptError where another index stores no keys, and
    OutputInUseError where another process writes it or the first index.
    """
    with owned(output):
        if output.exists():
            raise ConfigError(f"{output} is there already; choose another output folder")
        return _merge(folders, output)


def _merge(folders: Sequence[Path], output: Path) -> IndexChange:
    unfinished = output.with_name(output.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with unchanged(folders[0]):
        manifest = read_index_manifest(folders[0])
        unfinished.mkdir(parents=True)
        for name in manifest.files:
            shutil.copyfile(folders[0] / name, unfinished / name)
    write_manifest(unfinished, manifest)
    changes = [add_rows(unfinished, read_content(folder)) for folder in folders[1:]]
    unfinished.rename(output)
    return IndexChange(
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
) -> IndexChange:
    """Train and fill the index again from its stored keys, without removed rows.

    The kind of index is chosen by size again; `held_out` (q, d_image) are queries that measure its
    recall. Raises UnpromptError where the index stores no keys.
    """
    with change_index(folder) as before:
        content = read_content(folder)
        queries = content.keys[:0] if held_out is None else held_out
        after = write_index(folder, content, queries, config, before.generation + 1, progress)
    return IndexChange(after, removed=before.stored - before.ntotal, rebuilt=True)


def read_content(folder: Path) -> IndexContent:
    """Rows, keys and targets of an index; raises UnpromptError where it stores no keys.

    The codes of prompt vectors serve as keys.
    """
    index = PromptIndex.load(folder)
    manifest = index.manifest
    keys = index.targets if manifest.keys == PROMPT_KEYS else index.keys
    if keys is None:
        raise UnpromptError(
            f"{folder} stores no keys, which merging and rebuilding need; build it again with "
            "`--set index.keep_keys=true`"
        )
    return IndexContent(
        rows=index.rows,
        keys=keys,
        targets=index.targets,
        space=manifest.space,
        target_space=manifest.target_space,
        key_kind=manifest.keys,
    )
