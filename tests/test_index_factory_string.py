"""Factory strings in parts, and estimated sizes against what FAISS really writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.search.factory_string import parse_factory
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


def test_parts_of_a_factory_string() -> None:
    fast = parse_factory(" PCAW64,L2norm,OPQ16_32,IVF1024_HNSW32,PQ16x4fs ")
    assert fast.text == "PCAW64,L2norm,OPQ16_32,IVF1024_HNSW32,PQ16x4fs"
    assert [(step.kind, step.width) for step in fast.transforms] == [
        ("PCA", 64), ("L2norm", None), ("OPQ", 32)
    ]  # fmt: skip
    assert fast.transforms[0].whitens and not parse_factory("PCA64,Flat").transforms[0].whitens
    assert (fast.lists, fast.links, fast.code, fast.unknown) == (1024, 32, "PQ16x4fs", ())
    assert fast.is_packed and fast.codewords == 16 and fast.refinement is None
    assert parse_factory("IVF64(HNSW16,Flat),SQ8").links == 16
    for graph in ("HNSW16_SQ8", "HNSW16,SQ8"):
        parsed = parse_factory(graph)
        assert (parsed.lists, parsed.links, parsed.code) == (None, 16, "SQ8")
    assert parse_factory("HNSW").code == "Flat" and parse_factory("HNSW").links == 32
    refined = parse_factory("IVF16,PQ16x4fs,Refine(SQfp16)")
    assert (refined.code, refined.refinement) == ("PQ16x4fs", "SQfp16") and not refined.is_packed
    assert parse_factory("PQ8").codewords == 256 and parse_factory("SQ8").codewords == 0
    other = parse_factory("IMI2x8,RaBitQ4")
    assert (other.unknown, other.code) == (("IMI2x8",), "RaBitQ4")


def test_what_is_an_exact_scan() -> None:
    assert all(parse_factory(text).is_exact for text in ("Flat", "PCAW64,L2norm,Flat"))
    others = ("SQ8", "IVF16,Flat", "HNSW32", "HNSW32,Flat", "IMI2x8,Flat", "")
    assert not any(parse_factory(text).is_exact for text in others)


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
    assert parse_factory(factory).size_bytes(ROWS, DIM) == pytest.approx(
        written_size(factory), rel=0.03
    )


def test_an_index_of_ours_has_the_estimated_size(
    tmp_path: Path, make_index: Any, content: Any
) -> None:
    keys = vectors_of(1, 1500)
    made = make_index(
        tmp_path, content(keys, np.ones((1500, 3)) / 3**0.5), "PCAW32,L2norm,SQ8", keys[:0]
    )
    estimated = parse_factory(made.factory).size_bytes(1500, DIM)
    written = made.files["index.faiss"].size_bytes
    assert written == (tmp_path / "index.faiss").stat().st_size
    assert estimated == pytest.approx(written, rel=0.01)


def test_a_size_worked_out_by_hand() -> None:
    # 1,000 rows of 16 floats, and 160 bytes of names and counts
    assert parse_factory("Flat").size_bytes(1000, 16) == 1000 * 4 * 16 + 160
    # 16 centroids of 16 floats, 16 list lengths, a range a dimension, rows with their ids
    lists = 16 * 16 * 4 + 16 * 8 + 2 * 16 * 4
    assert parse_factory("IVF16,SQ8").size_bytes(1000, 16) == 1000 * (16 + 8) + lists + 160


@pytest.mark.parametrize(
    "factory", ["", "IMI2x8,PQ16", "IVF64", "PQ16x8fs", "HNSW32,IVF16,Flat", "Flat,Flat", "IVF4,X"]
)
def test_unknown_parts_are_refused(factory: str) -> None:
    with pytest.raises(ConfigError, match="no size is known for the factory string"):
        parse_factory(factory).size_bytes(1000, 64)
