"""Keys (n, d_image) and targets (n, d_prompt) -> a prompt index folder, recall measured."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.index.durable import write_atomically
from unprompt.index.errors import UnpromptError
from unprompt.index.factory import IndexConfig, choose_factory
from unprompt.index.faiss_library import load_faiss
from unprompt.index.manifest import IndexManifest, Recall, record_files, write_manifest
from unprompt.index.nearest import nearest
from unprompt.index.prompt_index import ROWS_FILE, TARGETS, VECTORS
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
    folder: Path, content: IndexContent, held_out: np.ndarray, config: IndexConfig
) -> IndexManifest:
    """Train, fill and write an index; `held_out` (q, d_image) are queries that measure recall.

    The same content gives the same bytes. Raises UnpromptError when there is nothing to index.
    """
    count = len(content.keys)
    if count == 0 or count != len(content.targets) or count != content.rows.height:
        raise UnpromptError(
            f"an index needs as many rows as keys and targets and at least one; got "
            f"{content.rows.height} rows, {count} keys, {len(content.targets)} targets"
        )
    keys = np.ascontiguousarray(content.keys, dtype=np.float32)
    factory = choose_factory(count, keys.shape[1], config)
    vectors = _fill(factory, keys, content.rows["row_id"].to_numpy())
    with write_atomically(folder / VECTORS) as temporary:
        try:
            load_faiss().write_index(vectors, str(temporary))
        except RuntimeError as error:  # its way to say that the disk is full
            raise OSError(str(error)) from error
    with write_atomically(folder / TARGETS) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(content.targets, dtype=np.float16))
    write_table(folder / ROWS_FILE, content.rows, ROWS)
    manifest = IndexManifest(
        factory=factory,
        keys=content.key_kind,
        space=content.space,
        target_space=content.target_space,
        dim=keys.shape[1],
        target_dim=content.targets.shape[1],
        ntotal=count,
        prompts=content.rows["prompt_id"].n_unique(),
        recall=_measure_recall(vectors, keys, content.rows, held_out, config.recall_k),
        files=record_files(folder, (VECTORS, ROWS_FILE, TARGETS)),
    )
    write_manifest(folder, manifest)
    return manifest


def _fill(factory: str, keys: np.ndarray, row_ids: np.ndarray) -> Any:
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
    vectors.add_with_ids(keys, row_ids)
    return vectors


def _train(factory: str, keys: np.ndarray, epsilon: float = 0.0) -> Any:
    """A trained index; `epsilon` is added to the eigenvalues that whitening divides by."""
    faiss = load_faiss()
    vectors = faiss.index_factory(keys.shape[1], f"IDMap2,{factory}", faiss.METRIC_INNER_PRODUCT)
    for whitening in _whitenings(vectors):
        whitening.epsilon = epsilon
    vectors.train(keys)
    return vectors


def _transforms(vectors: Any) -> list[Any]:
    faiss = load_faiss()
    inner = faiss.downcast_index(vectors.index)
    if not isinstance(inner, faiss.IndexPreTransform):
        return []
    places = range(inner.chain.size())
    return [faiss.downcast_VectorTransform(inner.chain.at(place)) for place in places]


def _whitenings(vectors: Any) -> list[Any]:
    faiss = load_faiss()
    found = _transforms(vectors)
    return [step for step in found if isinstance(step, faiss.PCAMatrix) and step.eigen_power < 0]


def _smallest_eigenvalue(whitening: Any) -> float:
    """Of the directions that are kept, summed over all keys."""
    return float(load_faiss().vector_to_array(whitening.eigenvalues)[: whitening.d_out].min())


def _measure_recall(
    vectors: Any, keys: np.ndarray, rows: pl.DataFrame, queries: np.ndarray, k: int
) -> Recall | None:
    """Recall@k against exact search over the keys after the index' own transform."""
    if len(queries) == 0:
        return None
    k = min(k, len(keys))
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    found = vectors.search(queries, k)[1]
    for transform in _transforms(vectors):
        keys, queries = transform.apply(keys), transform.apply(queries)
    exact = rows["row_id"].to_numpy()[nearest(queries, keys, k)[1]]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True))
    return Recall(k=k, value=round(hits / exact.size, 4), queries=len(queries))
