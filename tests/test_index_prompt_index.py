"""The prompt index: scores by hand, stable ids, and every way in which its files can be wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from unprompt.index.base.errors import DamagedFileError, SpaceMismatchError, UnpromptError
from unprompt.index.base.tables import ROWS
from unprompt.index.sealed.records import record_files
from unprompt.index.search.factory import IndexConfig, choose_factory
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.write import write_index

KEYS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.8, 0.0]]
TARGETS = [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]


@pytest.fixture
def folder(tmp_path: Path, content: Any, make_index: Any) -> Path:
    make_index(tmp_path / "index", content(KEYS, TARGETS, row_ids=[700, 3, 50]))
    return tmp_path / "index"


def unit_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def reseal(folder: Path, **changes: object) -> None:
    """Make a manifest that agrees with the files as they are now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("digest", None)
    records = record_files(folder, manifest["files"])
    manifest["files"] = {
        name: {"size_bytes": record.size_bytes, "sha256": record.sha256}
        for name, record in records.items()
    }
    path.write_text(json.dumps({**manifest, **changes}))


def test_scores_and_rows_by_hand(folder: Path) -> None:
    index = PromptIndex.load(folder)
    found = index.search(np.array([[1, 0, 0], [0, 1, 0]], np.float32), 3)
    assert found.rows.tolist() == [[0, 2, 1], [1, 2, 0]]
    np.testing.assert_allclose(found.scores, [[1.0, 0.6, 0.0], [1.0, 0.8, 0.0]], atol=1e-6)
    assert index.rows["row_id"].to_list() == [700, 3, 50]
    assert index.rows["prompt"][int(found.rows[0, 1])] == "prompt 2"
    np.testing.assert_allclose(index.targets, TARGETS, atol=5e-4)


def test_fewer_rows_than_asked_for_are_padded(folder: Path) -> None:
    found = PromptIndex.load(folder).search(np.array([[1, 0, 0]], np.float32), 5)
    assert found.rows.tolist() == [[0, 2, 1, -1, -1]]
    assert np.isneginf(found.scores[0, 3:]).all()


def test_a_list_with_too_few_rows_is_padded(tmp_path: Path, content: Any, make_index: Any) -> None:
    make_index(tmp_path, content(KEYS, TARGETS), factory="IVF3,Flat")
    found = PromptIndex.load(tmp_path).search(np.array([[1, 0, 0]], np.float32), 3)
    assert found.rows[0, 0] == 0
    missing = found.rows[0] < 0
    assert missing.any() and np.isneginf(found.scores[0][missing]).all()


def test_keys_of_another_width_are_refused(folder: Path) -> None:
    index = PromptIndex.load(folder)
    for shape in ((1, 4), (3,)):
        with pytest.raises(UnpromptError, match=r"wanted \(q, 3\)"):
            index.search(np.zeros(shape, np.float32), 1)


def test_keys_of_another_encoder_are_refused(folder: Path) -> None:
    index = PromptIndex.load(folder)
    index.check_encoder("colours")
    with pytest.raises(SpaceMismatchError, match="shapes.*colours.*unprompt build"):
        index.check_encoder("shapes")


def test_same_content_same_digests(tmp_path: Path, content: Any, make_index: Any) -> None:
    keys = unit_vectors(300, 16, 1)
    whole = content(keys, keys[:, :4])
    for factory in ("Flat", "PCAW8,L2norm,SQ8", "IVF4,SQ8"):
        first = make_index(tmp_path / "a", whole, factory)
        assert first.files == make_index(tmp_path / "b", whole, factory).files


def test_recall_is_what_a_search_by_hand_finds(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    keys, queries = unit_vectors(200, 8, 2), unit_vectors(20, 8, 3)
    whole = content(keys, keys)
    exact = np.argsort(-(queries @ keys.T), axis=1)[:, :5]
    for factory in ("Flat", "IVF8,Flat"):
        recall = make_index(tmp_path, whole, factory, queries, recall_k=5).recall
        found = PromptIndex.load(tmp_path).search(queries, 5).rows
        hits = sum(len(set(a) & set(b)) for a, b in zip(exact, found, strict=True))
        assert recall is not None and (recall.k, recall.queries) == (5, 20)
        assert recall.value == pytest.approx(hits / 100, abs=1e-4)
        assert (recall.value == 1.0) == (factory == "Flat")
    assert make_index(tmp_path, whole).recall is None, "without queries nothing is measured"


def test_whitened_recall_is_measured_after_the_whitening(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    keys, queries = unit_vectors(400, 16, 4), unit_vectors(30, 16, 5)
    recall = make_index(tmp_path, content(keys, keys), "PCAW8,L2norm,Flat", queries, 10).recall
    assert recall is not None and recall.value == 1.0


def test_whitening_tells_apart_what_one_direction_hides(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    """All keys share one long direction; the neighbor that differs only there must not win."""
    generator = np.random.default_rng(6)
    raw = generator.normal(size=(400, 8)).astype(np.float32)
    raw[:, 0] = 50 + generator.normal(size=400)
    keys = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    make_index(tmp_path, content(keys, keys), choose_factory(400, 8, IndexConfig()))
    found = PromptIndex.load(tmp_path).search(keys[:50], 2)
    assert (found.rows[:, 0] == np.arange(50)).all()
    plain = np.sort(keys[:50] @ keys.T, axis=1)
    assert plain[:, -2].min() > 0.99, "before: the second best looks the same"
    assert found.scores[:, 1].max() < 0.99, "after: it does not"


def test_keys_that_repeat_can_be_whitened(tmp_path: Path, content: Any, make_index: Any) -> None:
    """10 distinct keys leave most of 64 directions without variance to divide by."""
    distinct = unit_vectors(10, 64, 7)
    keys = np.repeat(distinct, 40, axis=0)
    make_index(tmp_path, content(keys, keys), "PCAW64,L2norm,SQ8", distinct)
    found = PromptIndex.load(tmp_path).search(distinct, 3)
    assert (found.rows // 40 == np.arange(10)[:, None]).all()
    assert np.isfinite(found.scores).all()


def test_an_impossible_factory_says_what_to_change(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    for factory in ("NoSuchIndex", "PQ3", "IVF64,Flat"):
        with pytest.raises(UnpromptError, match=f"{factory}.*another `index.factory`"):
            make_index(tmp_path, content(np.eye(4), TARGETS + TARGETS[:1]), factory)


def test_nothing_to_index_and_lengths_that_differ(tmp_path: Path, content: Any) -> None:
    rows = content(KEYS, TARGETS).rows()
    keys, targets = np.array(KEYS), np.array(TARGETS)
    for part in (slice(0, 0), slice(0, 2)):
        whole = IndexContent(rows[part], keys[part], targets[: len(keys[part]) - 1], "a", "b")
        with pytest.raises(UnpromptError, match="as many rows as keys and targets"):
            write_index(tmp_path, whole, keys[:0], IndexConfig())


@pytest.mark.parametrize("name", ["index.faiss", "rows.parquet", "targets.npy"])
def test_damage_is_found_at_load_and_named(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged, fault in ((bytes(flipped), "has changed"), (whole[:-5], "bytes")):
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match=f"{name} .*{fault}.*unprompt build"):
            PromptIndex.load(folder)
    path.unlink()
    with pytest.raises(DamagedFileError, match=f"{name} is missing"):
        PromptIndex.load(folder)
    path.write_bytes(whole)
    PromptIndex.load(folder).verify()


def test_no_manifest_a_newer_one_and_a_cut_one(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_text()
    for text, fault in (
        (whole.replace('"format": 2', '"format": 3'), "of format 2"),
        (whole[:-20], "not valid JSON"),
        ("[]", "of format 2"),
    ):
        path.write_text(text)
        with pytest.raises(DamagedFileError, match=fault):
            PromptIndex.load(folder)
    path.unlink()
    with pytest.raises(DamagedFileError, match="no finished index"):
        PromptIndex.load(folder)


def test_targets_of_another_length_or_width(folder: Path) -> None:
    for targets in (np.eye(2), np.zeros((3, 7)), np.zeros(3)):
        np.save(folder / "targets.npy", targets.astype(np.float16))
        reseal(folder)
        with pytest.raises(DamagedFileError, match=r"targets\.npy"):
            PromptIndex.load(folder)


def test_rows_of_another_length(folder: Path) -> None:
    path = folder / "rows.parquet"
    pl.concat([pl.read_parquet(path), pl.read_parquet(path)[:1]]).write_parquet(path)
    reseal(folder)
    with pytest.raises(DamagedFileError, match=r"rows\.parquet has 4 rows, .* 3"):
        _ = PromptIndex.load(folder).rows


def test_a_file_that_faiss_cannot_read(folder: Path) -> None:
    (folder / "index.faiss").write_bytes(b"no index")
    reseal(folder)
    with pytest.raises(DamagedFileError, match="broken"):
        PromptIndex.load(folder)


def test_an_index_with_lists_probes_enough_of_them_for_the_wanted_recall(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    keys = generator.normal(size=(4000, 16)).astype(np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    rows = pl.DataFrame(
        {
            "row": range(4000),
            "row_id": range(4000),
            "image_id": range(4000),
            "prompt_id": range(4000),
            "prompt": ["a prompt"] * 4000,
            "key": [""] * 4000,
            "seed": [0] * 4000,
            "generator": ["by hand"] * 4000,
        },
        schema=ROWS,
    )
    content = IndexContent(rows, keys, keys, "s", "t")
    reached = {}
    for wanted in (0.05, 0.95):
        config = IndexConfig(factory="IVF32,Flat", recall_k=10, recall=wanted)
        manifest = write_index(tmp_path / str(wanted), content, keys[:100], config)
        assert manifest.recall is not None and manifest.recall.value >= wanted
        found = PromptIndex.load(tmp_path / str(wanted)).search(keys[:100], 10)
        exact = np.argsort(-(keys[:100] @ keys.T), axis=1)[:, :10]
        hits = [len(set(a) & set(b)) for a, b in zip(found.rows, exact, strict=True)]
        assert np.mean(hits) / 10 == pytest.approx(manifest.recall.value, abs=2e-3)
        reached[wanted] = manifest.recall.value
    assert reached[0.05] < 0.95
