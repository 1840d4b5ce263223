"""Exact scores of candidates, by hand and against numpy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.search.factory import IndexConfig
from unprompt.index.search.refine import KeyScores, fold_transforms, refine
from unprompt.index.search.training import fill
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import add_rows, remove_rows
from unprompt.index.store.write import write_index
from unprompt.index.vectors.transforms import apply_transforms, transforms


def unit_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_by_hand_with_repeats_missing_rows_and_ties() -> None:
    keys = np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0]], np.float16)
    candidates = np.array([[2, 3, -1, 2, 0, 1], [-1, -1, 1, 1, -1, 1]])
    scores, rows = refine(
        np.array([[1, 0], [0, 2]], np.float32), candidates, KeyScores(keys, ()), 5
    )
    assert rows.tolist() == [[0, 3, 2, 1, -1], [1, -1, -1, -1, -1]]
    assert scores.tolist() == [[1, 1, 0.5, 0, -np.inf], [2, *[-np.inf] * 4]]


def test_fewer_candidates_than_wanted_are_padded() -> None:
    keys = np.array([[1, 0], [0, 1]], np.float16)
    scores, rows = refine(np.array([[1, 0]], np.float32), np.array([[1]]), KeyScores(keys, ()), 3)
    assert rows.tolist() == [[1, -1, -1]] and scores.tolist() == [[0, -np.inf, -np.inf]]


def test_scores_are_those_of_numpy() -> None:
    keys, queries = unit_vectors(300, 16, 1).astype(np.float16), unit_vectors(50, 16, 2)
    candidates = np.random.default_rng(3).integers(-1, 300, (50, 40))
    scores = KeyScores(keys, ())(queries, candidates)
    wanted = np.einsum("qd,qcd->qc", queries, keys[np.maximum(candidates, 0)].astype(np.float32))
    there = candidates >= 0
    np.testing.assert_allclose(scores[there], wanted[there], atol=1e-6)
    assert np.isneginf(scores[~there]).all()


def test_an_index_of_codes_returns_exact_scores_in_its_own_space(
    tmp_path: Path, content: Any
) -> None:
    keys, queries = unit_vectors(2000, 32, 4), unit_vectors(40, 32, 5)
    whole = content(keys, keys[:, :4])
    rows = IndexContent(whole.rows(), keys, keys[:, :4], "a", "words")
    for factory in ("IVF4,PQ8x4fs", "PCAW16,L2norm,PQ8x4fs", "PCAW16,L2norm,OPQ4,IVF4,PQ4x4fs"):
        config = IndexConfig(factory, recall_k=10, recall=0.6)
        manifest = write_index(tmp_path / factory, rows, queries, config)
        index = PromptIndex.load(tmp_path / factory)
        assert manifest.effort.refine >= 4 and index.keys is not None
        assert (index.folded_transforms is not None) == factory.startswith("PCAW")
        steps = transforms(index.vectors)
        mapped = apply_transforms(steps, np.asarray(index.keys))
        scores = apply_transforms(steps, queries) @ mapped.T
        found = index.search(queries, 10)
        np.testing.assert_allclose(
            found.scores, np.take_along_axis(scores, found.rows, 1), atol=1e-5
        )
        candidates = index.vectors.search(queries, 10 * manifest.effort.refine)[1]
        wanted = [
            sorted(set(few.tolist()) - {-1}, key=lambda row: -scores[query, row])[:10]
            for query, few in enumerate(candidates)
        ]
        assert found.rows.tolist() == wanted
        np.testing.assert_allclose(index.keys_of(found.rows), mapped[found.rows], atol=1e-6)
        assert not index.keys_of(np.array([[-1]])).any()


@pytest.mark.parametrize(
    "factory", ["PCA8,L2norm,Flat", "PCAW8,L2norm,OPQ4,Flat", "OPQ4_8,PCAR6,L2norm,Flat"]
)
def test_folded_scores_are_those_of_transformed_keys(factory: str) -> None:
    keys, queries = unit_vectors(500, 12, 7) + np.float32(0.1), unit_vectors(30, 12, 8)
    vectors = fill(factory, keys)
    steps = transforms(vectors)
    folded, float16_keys = fold_transforms(steps), keys.astype(np.float16)
    assert folded is not None
    candidates = np.random.default_rng(9).integers(-1, 500, (30, 20))
    direct = KeyScores(float16_keys, steps)(queries, candidates)
    found = KeyScores(float16_keys, steps, folded.lengths(float16_keys))(queries, candidates)
    np.testing.assert_allclose(found, direct, atol=1e-5)


def test_other_transforms_are_not_folded() -> None:
    keys = unit_vectors(300, 12, 7)
    for factory in ("Flat", "L2norm,Flat", "PCA8,Flat", "PCA8,L2norm,PCA4,L2norm,Flat"):
        vectors = fill(factory, keys)
        assert fold_transforms(transforms(vectors)) is None
    # the mean that a second PCA takes away would have to be scored as well
    vectors = fill("PCA8,L2norm,PCA4,Flat", keys)
    assert fold_transforms(transforms(vectors)) is None


def test_added_rows_are_scored_in_the_same_way(tmp_path: Path, content: Any) -> None:
    keys, queries = unit_vectors(1200, 32, 4), unit_vectors(40, 32, 5)
    config = IndexConfig("PCAW16,L2norm,PQ8x4fs", recall_k=10, recall=0.6)
    parts = [
        IndexContent(
            content(keys[ids], keys[ids], prompt_ids=ids, row_ids=ids).rows(),
            keys[ids],
            keys[ids],
            "a",
            "words",
        )  # fmt: skip
        for ids in (range(1000), range(1000, 1200))
    ]
    write_index(tmp_path, parts[0], queries, config)
    added = add_rows(tmp_path, parts[1]).manifest
    assert [segment.lengths for segment in added.segments] == ["lengths.npy", "lengths.00002.npy"]
    remove_rows(tmp_path, [0, 5, 1001])
    index = PromptIndex.load(tmp_path)
    mapped = apply_transforms(transforms(index.vectors), np.asarray(index.keys))
    asked = apply_transforms(transforms(index.vectors), queries)
    found = index.search(queries, 10)
    assert index.folded_transforms is not None and found.rows.max() > 1000
    wanted = np.einsum("qd,qkd->qk", asked, mapped[found.rows])
    np.testing.assert_allclose(found.scores, wanted, atol=1e-5)


def test_without_kept_keys_the_scores_are_those_of_the_codes(tmp_path: Path, content: Any) -> None:
    keys = unit_vectors(1000, 16, 6)
    whole = content(keys, keys[:, :4])
    rows = IndexContent(whole.rows(), keys, keys[:, :4], "a", "words")
    manifest = write_index(
        tmp_path, rows, keys[:20], IndexConfig("PQ4x4fs", recall_k=5, keep_keys=False)
    )
    index = PromptIndex.load(tmp_path)
    assert manifest.effort.refine == 0 and index.keys is None
    found = index.search(keys[:20], 5)
    np.testing.assert_array_equal(found.rows, index.vectors.search(keys[:20], 5)[1])
