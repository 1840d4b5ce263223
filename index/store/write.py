"""Keys (n, d_image) and targets (n, d_prompt) -> a prompt index folder, its recall measured."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.sealed.records import record_files
from unprompt.index.search.build import build_index
from unprompt.index.search.factory import IndexConfig, choose_index
from unprompt.index.search.faiss_files import write_vectors
from unprompt.index.search.filling import PART_ROWS, PartFill
from unprompt.index.search.refine import fold_transforms
from unprompt.index.store.generations import delete_all_but
from unprompt.index.store.manifest import (
    KEYS,
    LISTS,
    MANIFEST,
    PROMPT_KEYS,
    VECTORS,
    IndexManifest,
    generation_name,
    read_index_manifest,
    write_manifest,
)
from unprompt.index.store.segments import IndexContent, write_lengths, write_segment
from unprompt.index.vectors.decoded_rows import check_decodes
from unprompt.index.vectors.matrix import Matrix, open_matrix, write_matrix
from unprompt.index.vectors.transforms import check_keys, transforms

SAMPLE = 100  # rows that are read back from the codes
UNFINISHED = "unfinished"  # folder of work that a killed build leaves for the next one


def write_index(
    folder: Path,
    content: IndexContent,
    held_out: np.ndarray,
    config: IndexConfig,
    generation: int = 1,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> IndexManifest:
    """Train, fill and write an index; `held_out` (q, d_image) are queries that measure recall.

    The same content gives the same bytes. `engine` fills content from disk, in parts; after
    a kill the next call continues with the parts that are there. A later generation is written
    beside the current one, then its manifest replaces the current one. Raises UnpromptError where
    there is nothing to index, ConfigError where no index fits the settings, and OutputInUseError
    where another process writes the folder.
    """
    with owned(folder):
        return _write(folder, content, held_out, config, generation, progress, engine)


def _write(
    folder: Path,
    content: IndexContent,
    held_out: np.ndarray,
    config: IndexConfig,
    generation: int,
    progress: Progress,
    engine: EngineConfig,
) -> IndexManifest:
    count = content.rows.height
    if count == 0 or not count == len(content.keys) == len(content.targets):
        raise UnpromptError(
            f"an index needs as many rows as keys and targets and at least one; got "
            f"{count} rows, {len(content.keys)} keys, {len(content.targets)} targets"
        )
    check_keys(content.keys, "keys")
    _check_prompt_keys(content)
    dim = content.keys.shape[1]
    check_keys(held_out, "held-out queries", dim)
    choices = choose_index(count, dim, config, len(held_out) > 0)
    vectors, lists = generation_name(VECTORS, generation), generation_name(LISTS, generation)
    with _undone_if_refused(folder):
        segment = write_segment(folder, content, generation, config.keep_keys)
        on_disk = any(choice.on_disk for choice in choices)
        keys, parts = _keys_to_fill_from(folder, content.keys, segment.keys, engine, on_disk)
        built = build_index(choices, keys, held_out, config, progress, parts, folder / lists)
        if content.key_kind == PROMPT_KEYS:
            check_decodes(built.vectors, built.factory, content.keys[:SAMPLE])
    write_vectors(folder / vectors, built.vectors)
    folded = fold_transforms(transforms(built.vectors)) if built.effort.refine else None
    segment = write_lengths(folder, segment, generation, folded)
    faiss_files = (vectors, lists) if built.on_disk else (vectors,)
    manifest = IndexManifest(
        factory=built.factory,
        keys=content.key_kind,
        space=content.space,
        target_space=content.target_space,
        dim=dim,
        target_dim=content.targets.shape[1],
        ntotal=count,
        prompts=content.rows["prompt_id"].n_unique(),
        recall=None if built.recall is None else replace(built.recall, generation=generation),
        effort=built.effort,
        tried=built.tried,
        files=record_files(folder, (*faiss_files, *segment.files)),
        vectors=vectors,
        lists=lists if built.on_disk else None,
        segments=(segment,),
        trained_rows=count,
        generation=generation,
    )
    write_manifest(folder, manifest)
    delete_all_but(folder, manifest.files)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return manifest


def _check_prompt_keys(content: IndexContent) -> None:
    """Refuse keys of another space than the targets where the keys are the targets."""
    if content.key_kind == PROMPT_KEYS:
        check_same_space(
            content.target_space,
            content.space,
            "the keys of an index of prompts",
            "Encode the prompts with the encoder of the targets.",
        )


def _keys_to_fill_from(
    folder: Path, keys: Matrix, stored: str | None, engine: EngineConfig, on_disk: bool
) -> tuple[Matrix, PartFill | None]:
    """The keys (n, d_image), and how to fill an index from them in parts, if there are many.

    Keys in memory are used as they are. Others are read from one file: the `stored` one, or a copy.
    `on_disk`: lists may have to stay on disk, which needs parts.
    """
    if type(keys) is np.ndarray and not on_disk:
        return keys, None
    path = folder / UNFINISHED / KEYS if stored is None else folder / stored
    if stored is None:
        write_matrix(path, keys, np.float16)
    parts = None
    if on_disk or len(keys) > PART_ROWS:
        work = folder / UNFINISHED / "parts"
        parts = PartFill(work, path, digest_file(path), engine, PART_ROWS)
    return open_matrix(path), parts


@contextmanager
def _undone_if_refused(folder: Path) -> Iterator[None]:
    """Leave the folder as it was where the settings are refused, so that others can be tried."""
    try:
        yield
    except ConfigError:
        finished = (folder / MANIFEST).is_file()
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        delete_all_but(folder, read_index_manifest(folder).files if finished else ())
        with suppress(OSError):
            folder.rmdir()  # if it is empty
        raise
