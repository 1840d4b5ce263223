"""The k nearest distinct prompts: k of them, whatever the number of renders of each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import UnpromptError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store import segments
from unprompt.index.store.prompt_index import Neighbors, PromptIndex
from unprompt.index.store.update import remove_rows
from unprompt.inversion.estimate import find_prompts as module
from unprompt.inversion.estimate.find_prompts import distinct_prompts, find_prompts


def neighbors(scores: list[float], rows: list[int]) -> Neighbors:
    return Neighbors(np.array([scores], np.float32), np.array([rows], np.int64))


def brute_force(keys: np.ndarray, prompts: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    """The prompts of the k nearest, each by its best render."""
    ranked = prompts[np.argsort(-(keys @ query), kind="stable")]
    return list(dict.fromkeys(ranked.tolist()))[:k]


def skewed(renders: int, singles: int, dim: int = 16) -> tuple[np.ndarray, list[int]]:
    """Keys near one direction for the renders of prompt 0, then one key for each other prompt."""
    random = np.random.default_rng(7)
    center = np.eye(1, dim)
    crowd = center + 0.05 * random.normal(size=(renders, dim))
    others = center + 0.6 * random.normal(size=(singles, dim))
    keys = to_unit_length(np.concatenate([crowd, others]))
    return keys, [0] * renders + list(range(1, singles + 1))


def test_of_a_prompts_renders_only_the_best_counts() -> None:
    prompt_ids = np.array([[7, 7, 8, 8, 9]], np.uint64)  # of rows 1, 0, 4, 2, 3
    found = distinct_prompts(neighbors([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 4, 2, 3]), prompt_ids, 3)
    assert found.rows.tolist() == [[1, 4, 3]]
    np.testing.assert_allclose(found.scores[0], [0.9, 0.7, 0.5])
    assert distinct_prompts(found, prompt_ids[:, [0, 2, 4]], 2).rows.tolist() == [[1, 4]]
    assert distinct_prompts(found, prompt_ids[:, [0, 2, 4]], 4).rows.tolist() == [[1, 4, 3, -1]]


def test_k_prompts_are_found_behind_many_renders(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    """Three renders each of two prompts: k = 2 gives both prompts, not two renders of one."""
    angles = np.array([0.0, 0.1, 0.2, 0.5, 0.6, 0.7])
    keys = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    make_index(tmp_path, content(keys, keys, prompt_ids=[1, 1, 1, 2, 2, 2]))
    found = find_prompts(PromptIndex.load(tmp_path), np.array([[1.0, 0.0]], np.float32), 2)
    assert found.rows.tolist() == [[0, 3]]
    np.testing.assert_allclose(found.scores[0], [1.0, np.cos(0.5)], atol=1e-6)


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat", "PCA8,IVF8,SQ8", "HNSW8"])
def test_four_hundred_renders_of_one_prompt(
    tmp_path: Path, content: Any, make_index: Any, factory: str
) -> None:
    """k = 50 gives 50 prompts, also where lists or a graph lead a search to one prompt only."""
    keys, prompts = skewed(400, 600)
    make_index(tmp_path, content(keys, keys, prompt_ids=prompts), factory=factory)
    index, queries = PromptIndex.load(tmp_path), to_unit_length(np.eye(2, 16) + 0.01)
    found = find_prompts(index, queries, 50)
    for query, rows in zip(queries, found.rows, strict=True):
        own = np.array(prompts)[rows]
        assert rows.min() >= 0 and len(set(own.tolist())) == 50
        if factory == "Flat":
            assert own.tolist() == brute_force(keys, np.array(prompts), query, 50)
    assert np.all(np.diff(found.scores, axis=1) <= 1e-6), "best first"
    every = index.search(queries, len(keys), everywhere=True)
    assert np.array_equal(np.sort(every.rows, axis=1), [np.arange(len(keys))] * len(queries))


def test_queries_are_searched_again_in_blocks(
    tmp_path: Path, content: Any, make_index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, prompts = skewed(120, 80)
    make_index(tmp_path, content(keys, keys, prompt_ids=prompts))
    index, queries = PromptIndex.load(tmp_path), keys[::9]
    whole = find_prompts(index, queries, 30)
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    np.testing.assert_array_equal(find_prompts(index, queries, 30).rows, whole.rows)
    for query, rows in zip(queries, whole.rows, strict=True):
        own = np.array(prompts)[rows].tolist()
        assert own == brute_force(keys, np.array(prompts), query, 30)


def test_an_index_with_fewer_prompts_gives_all(
    tmp_path: Path, content: Any, make_index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after rows were removed, and with a lookup in place of the table."""
    monkeypatch.setattr(segments, "LOOKUP_ROWS", 10)
    keys, prompts = skewed(40, 5)
    make_index(tmp_path, content(keys, keys, prompt_ids=prompts))
    found = find_prompts(PromptIndex.load(tmp_path), keys[:2], 9)
    assert (found.rows >= 0).sum(axis=1).tolist() == [6, 6] and found.rows.shape == (2, 9)
    index = PromptIndex.load(tmp_path)
    remove_rows(tmp_path, index.read_rows([44], "row_id")["row_id"])
    index = PromptIndex.load(tmp_path)
    found = find_prompts(index, keys[:2], 9)
    assert (found.rows >= 0).sum(axis=1).tolist() == [5, 5]
    assert "rows" not in index.__dict__, "the table of all rows was not read"


def test_no_row_answers_for_a_missing_neighbor(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    make_index(tmp_path, content(np.eye(3), np.eye(3)))
    index = PromptIndex.load(tmp_path)
    for wrong in ([-1], [0, 3]):
        with pytest.raises(UnpromptError, match="rows go from 0 to 2"):
            index.read_rows(wrong)
        with pytest.raises(UnpromptError, match="rows go from 0 to 2"):
            index.read_values(wrong, "prompt")
    assert index.read_values([], "prompt") == {"prompt": []}
