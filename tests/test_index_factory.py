"""Which kinds of index are tried for how many rows, what fits a budget, and recall that is kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.progress import Silent
from unprompt.index.base.settings import format_bytes, parse_bytes
from unprompt.index.search.build import build_index
from unprompt.index.search.factory import IndexConfig, choose_factory, choose_index
from unprompt.index.search.factory_string import parse_factory
from unprompt.index.search.training import fill
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index
from unprompt.index.vectors.faiss_library import load_faiss

FAST = "IVF16,PQ16x4fs"


def unit_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def manifold(count: int, dim: int, seed: int) -> np.ndarray:
    """Vectors on a surface of 5 dimensions, as codes like them."""
    fixed, generator = np.random.default_rng(99), np.random.default_rng(seed)
    bend = fixed.normal(size=(5, 64)).astype(np.float32)
    out = fixed.normal(size=(64, dim)).astype(np.float32)
    vectors = np.tanh(generator.normal(size=(count, 5)).astype(np.float32) @ bend) @ out
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Notes(Silent):
    """What was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize(
    "rows,dim,config,factory",
    [
        (20, 1280, IndexConfig(), "Flat"),
        (100, 1280, IndexConfig(), "PCAW25,L2norm,Flat"),
        (400, 1280, IndexConfig(whiten=32), "PCAW32,L2norm,Flat"),
        (10_000, 64, IndexConfig(), "PCAW64,L2norm,Flat"),
        (10_000, 64, IndexConfig(whiten=0), "Flat"),
        (10_000, 64, IndexConfig(prefer="latency"), "PCAW64,L2norm,HNSW32"),
        (200_000, 1280, IndexConfig(), "PCAW256,L2norm,Flat"),
        (200_001, 1280, IndexConfig(), "PCAW256,L2norm,IVF2048,PQ64x4fs"),
        (1_000_000, 1280, IndexConfig(whiten=0), "IVF4096,PQ320x4fs"),
        (1_000_000, 1280, IndexConfig(keep_keys=False), "PCAW256,L2norm,IVF4096,SQ8"),
        (1_000_000, 770, IndexConfig(whiten=0), "IVF4096,PQ154x4fs"),
        (50_000_000, 768, IndexConfig(), "PCAW256,L2norm,OPQ64,IVF32768_HNSW32,PQ64x4fs"),
        (20, 1280, IndexConfig(factory="HNSW32"), "HNSW32"),
    ],
)
def test_factory_by_row_count(rows: int, dim: int, config: IndexConfig, factory: str) -> None:
    assert choose_factory(rows, dim, config) == factory


def test_kinds_are_tried_from_the_smallest_to_the_exact_one() -> None:
    kinds = choose_index(1_000_000, 512, IndexConfig(whiten=0))
    assert [kind.factory for kind in kinds] == ["IVF4096,PQ128x4fs", "IVF4096,SQ8", "SQ8", "Flat"]
    assert [kind.refine for kind in kinds] == [(4, 10), (0, 2, 4), (0, 2, 4), (0,)]
    for kind in kinds:
        size = parse_factory(kind.factory).size_bytes(1_000_000, 512)
        assert kind.file_bytes == kind.memory_bytes == size
    without = choose_index(1_000_000, 512, IndexConfig(whiten=0, keep_keys=False))
    assert [kind.refine for kind in without] == [(0,)] * 3, "nothing to score exactly by"
    unmeasured = choose_index(1_000_000, 512, IndexConfig(whiten=0), measured=False)
    assert unmeasured[0].factory == "IVF4096,SQ8", "no query tells whether codes would do"


@pytest.mark.parametrize("name", ["IVF4096,PQ128x4fs", "IVF4096,SQ8", "SQ8", "Flat"])
def test_a_budget_leaves_out_what_is_larger_to_the_byte(name: str) -> None:
    size = parse_factory(name).size_bytes(1_000_000, 512)
    for budget, there in ((size, True), (size - 1, False)):
        config = IndexConfig(whiten=0, memory=budget)
        try:
            choices = choose_index(1_000_000, 512, config)
        except ConfigError:
            choices = ()
        held = [choice.factory for choice in choices if not choice.on_disk]
        assert (name in held) == there
        left = [choice.factory for choice in choices if choice.on_disk]
        assert (name in left) == (name == "IVF4096,SQ8" and not there)


def test_a_budget_moves_a_small_index_to_lists() -> None:
    assert choose_factory(150_000, 512, IndexConfig(memory="30M")).endswith("PQ64x4fs")


def test_a_budget_too_small_names_what_would_fit() -> None:
    wanted = "PCAW256,L2norm,HNSW32"
    with pytest.raises(ConfigError, match=r"index\.memory is 20M, but 1000000 keys of 512") as told:
        choose_index(1_000_000, 512, IndexConfig(factory=wanted, memory="20M"))
    message = str(told.value)
    size = parse_factory(wanted).size_bytes(1_000_000, 512)
    assert f"as {wanted} ({format_bytes(size)})" in message
    other = "PCAW64,L2norm,IVF4096,PQ16x4fs"
    size = parse_factory(other).size_bytes(1_000_000, 512)
    assert size <= 20 * 2**20 and f"what would fit: {other} ({format_bytes(size)})" in message
    assert choose_factory(1_000_000, 512, IndexConfig(factory=other, memory="20M")) == other
    with pytest.raises(ConfigError, match="Flat .* do not fit; what would fit: .*SQ8"):
        choose_index(100_000, 64, IndexConfig(factory="Flat", memory="10M"))
    with pytest.raises(ConfigError, match="the smallest known is .*index.max_rows"):
        choose_index(1_000_000, 512, IndexConfig(memory="1M"))
    with pytest.raises(ConfigError, match="no size is known"):
        choose_index(1000, 64, IndexConfig(factory="LSH", memory="1M"))


def test_amounts_of_memory() -> None:
    amounts = {"4G": 2**32, "512M": 2**29, "1.5 GiB": 3 * 2**29, "2kb": 2048, "77": 77, 77: 77}
    assert {amount: parse_bytes(amount, "m") for amount in amounts} == amounts
    for wrong in ("4X", "-1", "", "G", 0, -5):
        with pytest.raises(ConfigError, match=r"index\.memory must be bytes or an amount"):
            IndexConfig(memory=wrong)
    with pytest.raises(ConfigError, match=r"index\.recall above 0"):
        IndexConfig(recall=1.5)


def exact_recall(found: np.ndarray, keys: np.ndarray, queries: np.ndarray) -> float:
    exact = np.argsort(-(queries @ keys.T), axis=1)[:, : found.shape[1]]
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)])) / len(
        exact[0]
    )


def test_codes_that_suit_are_kept_with_the_cheapest_effort(tmp_path: Path, content: Any) -> None:
    keys, queries = manifold(4000, 32, 1), manifold(80, 32, 2)
    whole = content(keys, keys[:, :4])
    efforts = {}
    for wanted in (0.5, 0.95):
        config = IndexConfig(factory=FAST, recall_k=10, recall=wanted)
        made = _write(tmp_path / str(wanted), whole, queries, config)
        found = PromptIndex.load(tmp_path / str(wanted)).search(queries, 10)
        recall = exact_recall(found.rows, keys, queries)
        assert made.recall is not None and made.recall.value >= wanted
        assert recall == pytest.approx(made.recall.value, abs=2e-3)
        assert made.tried[-1].effort == made.effort and made.tried[-1].factory == FAST
        efforts[wanted] = made.effort
    assert (efforts[0.5].nprobe, efforts[0.5].refine) < (
        efforts[0.95].nprobe,
        efforts[0.95].refine,
    )


def _write(folder: Path, content: Any, queries: np.ndarray, config: IndexConfig) -> Any:
    keys = np.asarray(content.keys)
    whole = IndexContent(content.rows(), keys, np.asarray(content.targets), "a", "words")
    return write_index(folder, whole, queries, config)


def test_vectors_without_structure_end_in_a_kind_that_reaches_the_recall() -> None:
    """Of iid vectors no list is near: codes fail, and so do few lists; a scan does not."""
    keys, queries = unit_vectors(3000, 64, 3), unit_vectors(60, 64, 4)
    config, notes = IndexConfig(whiten=0, recall_k=10, recall=0.97), Notes()
    choices = choose_index(250_000, 64, config)  # as if there were many
    small = [choice.__class__(_fewer(choice.factory), choice.refine, 0, 0) for choice in choices]
    built = build_index(small, keys, queries, config, notes)
    assert [trial.factory for trial in built.tried] == ["IVF64,PQ16x4fs", "IVF64,SQ8", "SQ8"]
    assert [trial.recall >= 0.97 for trial in built.tried] == [False, False, True]
    assert built.factory == "SQ8" and built.recall is not None and built.recall.value >= 0.97
    assert sum("reaches recall@10" in note for note in notes.said) == 2
    with pytest.raises(ConfigError, match=r"reaches recall@10 0\.97: IVF64,PQ16x4fs 0\.\d+"):
        build_index(small[:1], keys, queries, config)


def _fewer(factory: str) -> str:
    return factory.replace("IVF2048", "IVF64")


def test_a_recall_of_one_is_left_to_an_exact_scan() -> None:
    keys, queries = unit_vectors(500, 16, 5), unit_vectors(40, 16, 6)
    config = IndexConfig(whiten=8, recall_k=20, recall=1.0, keep_keys=False)
    exact, scalar = choose_index(500, 16, config)[:2]  # bytes first: they miss a row or two
    built = build_index((scalar, exact), keys, queries, config)
    assert built.factory == "PCAW8,L2norm,Flat" and built.recall is not None
    assert built.tried[0].factory == "PCAW8,L2norm,SQ8"
    assert built.recall.value == 1.0 and built.tried[0].recall < 1.0


def test_a_graph_is_searched_as_widely_as_the_recall_needs(tmp_path: Path, content: Any) -> None:
    keys, queries = unit_vectors(3000, 32, 7), unit_vectors(50, 32, 8)
    config = IndexConfig(prefer="latency", whiten=0, recall_k=50, recall=0.97)
    made = _write(tmp_path, content(keys, keys[:, :4]), queries, config)
    assert made.factory == "HNSW32" and made.effort.ef_search is not None
    index = PromptIndex.load(tmp_path)
    graph = load_faiss().downcast_index(index.vectors).hnsw
    assert graph.efSearch == made.effort.ef_search, "FAISS keeps it in its file"
    assert exact_recall(index.search(queries, 50).rows, keys, queries) >= 0.97


def test_keys_that_repeat_do_not_count_as_missed() -> None:
    """Any of 30 equal keys is as right as another."""
    keys = np.repeat(unit_vectors(40, 16, 9), 30, axis=0)
    config = IndexConfig(whiten=0, recall_k=5)
    for factory in ("SQ8", "Flat", "IVF8,SQ8"):
        given = IndexConfig(factory, recall_k=5)
        built = build_index(choose_index(1200, 16, given), keys, keys[::30], given)
        assert built.recall is not None and built.recall.value >= config.recall


def test_unmeasured_lists_are_probed_by_an_eighth(tmp_path: Path, content: Any) -> None:
    keys = manifold(2000, 16, 10)
    none = keys[:0]
    made = _write(tmp_path, content(keys, keys), none, IndexConfig(FAST.replace("PQ16", "PQ8")))
    assert made.recall is None and made.tried == ()
    assert (made.effort.nprobe, made.effort.refine) == (2, 10)
    lists = load_faiss().try_extract_index_ivf(PromptIndex.load(tmp_path).vectors)
    assert lists.nprobe == 2


def test_keys_may_be_float16_on_disk_and_give_the_same_bytes(tmp_path: Path, content: Any) -> None:
    keys = manifold(3000, 32, 11).astype(np.float16)
    np.save(tmp_path / "kept.npy", keys)
    mapped = np.load(tmp_path / "kept.npy", mmap_mode="r")
    whole, queries = content(keys, keys[:, :4]), manifold(40, 32, 12)
    config = IndexConfig(factory=f"PCAW16,L2norm,{FAST}", recall_k=5)
    files = [
        write_index(
            tmp_path / name,
            IndexContent(whole.rows(), given, keys[:, :4], "a", "words"),
            queries,
            config,
        ).files
        for name, given in (
            ("mapped", mapped),
            ("again", mapped),
            ("wide", keys.astype(np.float32)),
        )
    ]
    assert files[0] == files[1] == files[2]
    assert (tmp_path / "mapped" / "keys.npy").read_bytes() == (tmp_path / "kept.npy").read_bytes()


def test_filling_in_blocks_is_filling_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from unprompt.index.vectors import matrix

    keys = manifold(1000, 16, 13)
    at_once = [fill(factory, keys) for factory in ("IVF8,SQ8", "PCAW8,L2norm,SQ8")]
    monkeypatch.setattr(matrix, "BLOCK", 77)
    for factory, whole in zip(("IVF8,SQ8", "PCAW8,L2norm,SQ8"), at_once, strict=True):
        scores, rows = fill(factory, keys).search(keys[:50], 5)
        np.testing.assert_array_equal(rows, whole.search(keys[:50], 5)[1])
        np.testing.assert_allclose(scores, whole.search(keys[:50], 5)[0], atol=1e-5)


def test_few_rounds_of_k_means_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from unprompt.index.search import training

    monkeypatch.setattr(training, "SAMPLE", 100)
    vectors = fill("IVF8,Flat", manifold(2000, 16, 14))
    lists = load_faiss().try_extract_index_ivf(vectors)
    assert (lists.cp.niter, lists.cp.max_points_per_centroid) == (10, 48)
    assert vectors.ntotal == 2000


def test_a_gpu_that_fails_is_said_and_the_cpu_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a faiss-gpu without a usable device does; this FAISS cannot go to a GPU at all."""
    faiss, keys, notes = load_faiss(), manifold(600, 16, 15), Notes()
    at_once = faiss.serialize_index(fill("IVF4,Flat", keys))
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    trained = fill("IVF4,Flat", keys, notes)
    assert ["the GPU cannot train the lists" in note for note in notes.said] == [True]
    assert (faiss.serialize_index(trained) == at_once).all()


def test_keys_and_queries_that_cannot_be_searched(tmp_path: Path, content: Any) -> None:
    keys = unit_vectors(50, 8, 16)
    broken = keys.copy()
    broken[17, 3] = np.nan
    config = IndexConfig("Flat")
    with pytest.raises(UnpromptError, match="keys must be finite numbers, row 17 is not"):
        _write(tmp_path, content(broken, keys), keys[:0], config)
    with pytest.raises(UnpromptError, match="held-out queries must be finite numbers, row 17"):
        _write(tmp_path, content(keys, keys), broken, config)
    with pytest.raises(UnpromptError, match=r"held-out queries must have the shape \(rows, 8\)"):
        _write(tmp_path, content(keys, keys), keys[:, :7], config)
    with pytest.raises(UnpromptError, match="keys must have the shape"):
        _write(tmp_path, content(keys[:, 0], keys), keys, config)
    assert not list(tmp_path.iterdir()), "nothing was written"
