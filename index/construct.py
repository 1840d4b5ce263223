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
        load_faiss().write_index(vectors, str(temporary))
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
    faiss = load_faiss()
    try:
        vectors = faiss.index_factory(
            keys.shape[1], f"IDMap2,{factory}", faiss.METRIC_INNER_PRODUCT
        )
        vectors.train(keys)
    except RuntimeError as error:
        raise UnpromptError(
            f"FAISS cannot build the factory string {factory!r} on {keys.shape[0]} keys of "
            f"{keys.shape[1]} numbers: {error}; set another `index.factory`"
        ) from error
    vectors.add_with_ids(keys, row_ids)
    return vectors


def _measure_recall(
    vectors: Any, keys: np.ndarray, rows: pl.DataFrame, queries: np.ndarray, k: int
) -> Recall | None:
    """Recall@k against exact search over the keys after the index' own transform."""
    if len(queries) == 0:
        return None
    faiss = load_faiss()
    k = min(k, len(keys))
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    found = vectors.search(queries, k)[1]
    inner = faiss.downcast_index(vectors.index)
    if isinstance(inner, faiss.IndexPreTransform):
        for place in range(inner.chain.size()):
            transform = faiss.downcast_VectorTransform(inner.chain.at(place))
            keys, queries = transform.apply(keys), transform.apply(queries)
    exact = rows["row_id"].to_numpy()[nearest(queries, keys, k)[1]]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True))
    return Recall(k=k, value=round(hits / exact.size, 4), queries=len(queries))
