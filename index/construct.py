"""Keys (n, d_image) and targets (n, d_prompt) -> a prompt index folder, recall measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.durable import write_atomically
from unprompt.index.errors import UnpromptError
from unprompt.index.factory import IndexConfig, choose_factory
from unprompt.index.faiss_library import load_faiss
from unprompt.index.generations import sweep
from unprompt.index.manifest import (
    IndexManifest,
    Segment,
    generation_name,
    record_files,
    write_manifest,
)
from unprompt.index.prompt_index import KEYS, ROWS_FILE, TARGETS, VECTORS
from unprompt.index.recall import transforms, tune_recall
from unprompt.index.tables import ROWS, write_table

# Keys that repeat leave directions without variance, which float32 finds as about 0, even below:
# whitening would divide by the root of that, and every search would come back empty.
FLAT_DIRECTION = 2e-6  # variance of a direction, of unit vectors


class IndexContent(NamedTuple):
    """What goes into an index, row by row."""

    rows: pl.DataFrame  # ROWS
    keys: np.ndarray  # (n, d_image) unit length
    targets: np.ndarray  # (n, d_prompt) unit length
    space: str
    target_space: str
    key_kind: str = "image"


def write_index(
    folder: Path,
    content: IndexContent,
    held_out: np.ndarray,
    config: IndexConfig,
    generation: int = 1,
) -> IndexManifest:
    """Train, fill and write an index; `held_out` (q, d_image) are queries that measure recall.

    The same content gives the same bytes. A later generation is written beside the one that is
    there, which its manifest replaces. Raises UnpromptError when there is nothing to index.
    """
    count = len(content.keys)
    if count == 0 or count != len(content.targets) or count != content.rows.height:
        raise UnpromptError(
            f"an index needs as many rows as keys and targets and at least one; got "
            f"{content.rows.height} rows, {count} keys, {len(content.targets)} targets"
        )
    keys = np.ascontiguousarray(content.keys, dtype=np.float32)
    factory = choose_factory(count, keys.shape[1], config)
    vectors = _fill(factory, keys)
    recall = tune_recall(vectors, keys, held_out, (config.recall_k, config.recall))
    if recall is not None:
        recall = replace(recall, generation=generation)
    files = write_vectors(folder, vectors, generation)
    segment = write_segment(folder, content, generation, config.keep_keys)
    manifest = IndexManifest(
        factory=factory,
        keys=content.key_kind,
        space=content.space,
        target_space=content.target_space,
        dim=keys.shape[1],
        target_dim=content.targets.shape[1],
        ntotal=count,
        prompts=content.rows["prompt_id"].n_unique(),
        recall=recall,
        files=record_files(folder, (files, *segment.files)),
        vectors=files,
        segments=(segment,),
        trained_rows=count,
        generation=generation,
    )
    write_manifest(folder, manifest)
    sweep(folder, manifest)
    return manifest


def write_vectors(folder: Path, vectors: Any, generation: int) -> str:
    """Write the FAISS index of a generation and return its file name."""
    name = generation_name(VECTORS, generation)
    with write_atomically(folder / name) as temporary:
        try:
            load_faiss().write_index(vectors, str(temporary))
        except RuntimeError as error:  # its way to say that the disk is full
            raise OSError(str(error)) from error
    return name


def write_segment(folder: Path, content: IndexContent, generation: int, keep_keys: bool) -> Segment:
    """Write rows, targets and keys that a generation adds."""
    rows, targets, keys = (generation_name(n, generation) for n in (ROWS_FILE, TARGETS, KEYS))
    write_table(folder / rows, content.rows, ROWS)
    write_array(folder / targets, content.targets.astype(np.float16))
    if keep_keys:
        write_array(folder / keys, content.keys.astype(np.float16))
    return Segment(content.rows.height, rows, targets, keys if keep_keys else None)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file atomically."""
    with write_atomically(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(array))


def _fill(factory: str, keys: np.ndarray) -> Any:
    try:
        vectors = _train(factory, keys)
        floor = FLAT_DIRECTION * len(keys)
        if any(_smallest_eigenvalue(whitening) < floor for whitening in _whitenings(vectors)):
            vectors = _train(factory, keys, floor)
    except RuntimeError as error:
        raise UnpromptError(
            f"FAISS cannot build the factory string {factory!r} on {keys.shape[0]} keys of "
            f"{keys.shape[1]} numbers: {error}; set another `index.factory`"
        ) from error
    for whitening in _whitenings(vectors):
        # all (d, d) eigenvectors, of which the trained map needs no more: megabytes in every file
        whitening.PCAMat.clear()
    vectors.add(keys)
    return vectors


def _train(factory: str, keys: np.ndarray, epsilon: float = 0.0) -> Any:
    """A trained index; `epsilon` is added to the eigenvalues that whitening divides by."""
    faiss = load_faiss()
    vectors = faiss.index_factory(keys.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    for whitening in _whitenings(vectors):
        whitening.epsilon = epsilon
    vectors.train(keys)
    return vectors


def _whitenings(vectors: Any) -> list[Any]:
    faiss = load_faiss()
    found = transforms(vectors)
    return [step for step in found if isinstance(step, faiss.PCAMatrix) and step.eigen_power < 0]


def _smallest_eigenvalue(whitening: Any) -> float:
    """Of the directions that are kept, summed over all keys."""
    return float(load_faiss().vector_to_array(whitening.eigenvalues)[: whitening.d_out].min())
