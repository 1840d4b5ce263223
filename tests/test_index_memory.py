"""Estimated sizes of indexes against what FAISS really writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.search.memory import index_size
from unprompt.index.vectors.faiss_library import load_faiss

ROWS, DIM = 4000, 64
FACTORIES = (
    "Flat",
    "SQ8",
    "SQ6",
    "SQ4",
    "SQfp16",
    "PQ16x4",
    "PQ8x6",
    "PQ16x4fs",
    "RaBitQ",
    "RaBitQfs",
    "HNSW32",
    "HNSW16_SQ8",
    "HNSW32,SQfp16",
    "IVF32,Flat",
    "IVF32,SQ8",
    "IVF32,PQ16x4",
    "IVF16,PQ16x4fs",
    "IVF32,RaBitQ",
    "IVF64_HNSW32,SQ8",
    "PCA32,Flat",
    "PCAR16,IVF32,SQ8",
    "PCAW32,L2norm,SQ8",
    "PCAW32,L2norm,IVF32,SQ8",
    "RR32,Flat",
    "OPQ16,PQ16x4",
    "OPQ8_32,IVF16,PQ8x4fs",
    "IVF16,PQ16x4fs,RFlat",
    "PCA32,IVF32,SQ8,Refine(SQfp16)",
)


def vectors_of(seed: int, rows: int = ROWS) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def hurry(index: Any) -> None:
    """Few training rounds: they change what is stored, not how much."""
    faiss = load_faiss()
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        inner = faiss.downcast_index(inner.base_index)
    if isinstance(inner, faiss.IndexPreTransform):
        for place in range(inner.chain.size()):
            step = faiss.downcast_VectorTransform(inner.chain.at(place))
            if isinstance(step, faiss.OPQMatrix):
                step.niter = step.niter_pq = step.niter_pq_0 = 1
                step.max_train_points = 512
        inner = faiss.downcast_index(inner.index)
    if hasattr(inner, "do_polysemous_training"):
        inner.do_polysemous_training = False
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        lists.cp.niter = 2


def written_size(factory: str) -> int:
    faiss = load_faiss()
    index = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    hurry(index)
    vectors = vectors_of(0)
    index.train(vectors)
    if factory.startswith("PCAW"):  # as `write_index` of ours does
        faiss.downcast_VectorTransform(index.chain.at(0)).PCAMat.clear()
    index.add(vectors)
    return int(faiss.serialize_index(index).size)


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_estimate_is_within_3_percent_of_what_faiss_writes(factory: str) -> None:
    assert index_size(factory, ROWS, DIM).file_bytes == pytest.approx(
        written_size(factory), rel=0.03
    )


def test_an_index_of_ours_has_the_estimated_size(
    tmp_path: Path, make_index: Any, content: Any
) -> None:
    keys = vectors_of(1, 1500)
    made = make_index(
        tmp_path, content(keys, np.ones((1500, 3)) / 3**0.5), "PCAW32,L2norm,SQ8", keys[:0]
    )
    estimated = index_size(made.factory, 1500, DIM)
    written = made.files["index.faiss"].size_bytes
    assert written == (tmp_path / "index.faiss").stat().st_size
    assert estimated.file_bytes == pytest.approx(written, rel=0.01)
    assert estimated.memory_bytes == estimated.file_bytes


def test_a_size_worked_out_by_hand() -> None:
    # 1,000 rows of 16 floats, and 160 bytes of names and counts
    assert index_size("Flat", 1000, 16).file_bytes == 1000 * 4 * 16 + 160
    # 16 centroids of 16 floats, 16 list lengths, a range a dimension, rows with their ids
    lists = 16 * 16 * 4 + 16 * 8 + 2 * 16 * 4
    assert index_size("IVF16,SQ8", 1000, 16).file_bytes == 1000 * (16 + 8) + lists + 160


@pytest.mark.parametrize(
    "factory", ["", "IMI2x8,PQ16", "IVF64", "PQ16x8fs", "HNSW32,IVF16,Flat", "Flat,Flat", "IVF4,X"]
)
def test_unknown_parts_are_refused(factory: str) -> None:
    with pytest.raises(ConfigError, match="no size is known for the factory string"):
        index_size(factory, 1000, 64)
