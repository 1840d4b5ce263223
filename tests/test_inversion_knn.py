"""Neighbours to an estimate: the weights by hand, order without effect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import Neighbors, PromptIndex
from unprompt.inversion.estimate.knn import (
    KnnConfig,
    estimate_from_neighbors,
    neighbor_weights,
)

TARGETS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float16)
BOTH = [KnnConfig(k=3), KnnConfig(k=3, weighting="inverse_power")]


def neighbors(scores: list[float], rows: list[int]) -> Neighbors:
    return Neighbors(np.array([scores], np.float32), np.array([rows], np.int64))


def test_softmax_by_hand() -> None:
    """Scores 0.1 apart at temperature 0.1: 1 : 1/e : 1/e^2."""
    found = neighbor_weights(neighbors([0.9, 0.8, 0.7], [0, 1, 2]), KnnConfig(3, temperature=0.1))
    raw = np.exp([0.0, -1.0, -2.0])
    np.testing.assert_allclose(found[0], raw / raw.sum(), rtol=1e-5)


def test_inverse_power_by_hand() -> None:
    """1 / ((1 - score) ** 2 + 1e-4) of scores 1, 0.9 and 0: 10000, 99.0099 and 0.9999."""
    config = KnnConfig(k=3, weighting="inverse_power", power=2.0)
    found = neighbor_weights(neighbors([1.0, 0.9, 0.0], [0, 1, 2]), config)
    raw = np.array([1e4, 1 / 0.0101, 1 / 1.0001])
    np.testing.assert_allclose(found[0], raw / raw.sum(), rtol=1e-4)


def test_a_score_that_rounding_lifts_over_one_is_no_trouble() -> None:
    config = KnnConfig(k=2, weighting="inverse_power", power=6.0)
    found = neighbor_weights(neighbors([1.0001, 1.0], [0, 1]), config)
    np.testing.assert_allclose(found[0], [0.5, 0.5], rtol=1e-5)


def test_local_ridge_is_ridge_regression() -> None:
    """Weights over targets = the prediction of scikit-learn's ridge on the same neighbours."""
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(3)
    keys, query = random.normal(size=(1, 7, 4)), random.normal(size=4)
    targets = random.normal(size=(7, 5))
    scores = (keys[0] @ query).tolist()
    config = KnnConfig(k=7, weighting="local_ridge", penalty=0.5)
    found = neighbor_weights(neighbors(scores, list(range(7))), config, keys)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    wanted = Ridge(alpha=0.5).fit(keys[0], targets).predict(query[None])
    np.testing.assert_allclose(found @ targets, wanted, atol=1e-4)


def test_local_ridge_passes_over_missing_neighbours() -> None:
    keys = np.random.default_rng(4).normal(size=(1, 3, 4))
    scores = [0.5, 0.2, -np.inf]
    config = KnnConfig(k=3, weighting="local_ridge")
    found = neighbor_weights(neighbors(scores, [0, 1, -1]), config, keys)
    pair = neighbor_weights(neighbors(scores[:2], [0, 1]), config, keys[:, :2])
    np.testing.assert_allclose(found[0], [*pair[0], 0.0], atol=1e-6)
    with pytest.raises(ConfigError, match="needs the neighbors' keys"):
        neighbor_weights(neighbors(scores, [0, 1, -1]), config)


def test_an_index_gives_its_keys_back(tmp_path: Path, content: Any, make_index: Any) -> None:
    """What is stored, compared as the search compares: scores are the products of the keys."""
    keys = np.random.default_rng(5).normal(size=(40, 16))
    make_index(tmp_path, content(keys / np.linalg.norm(keys, axis=1, keepdims=True), keys))
    index = PromptIndex.load(tmp_path)
    queries = to_unit_length(keys[:2])
    found = index.search(queries, 3)
    own = index.keys_of(found.rows)
    products = np.einsum("qd,qkd->qk", index.keys_of(np.array([[0], [1]]))[:, 0], own)
    np.testing.assert_allclose(products, found.scores, atol=0.02)
    assert not index.keys_of(np.array([[-1]])).any()


def test_estimate_by_hand() -> None:
    """Equal scores: the mean of two axes, at unit length."""
    found = estimate_from_neighbors(neighbors([0.5, 0.5], [2, 0]), TARGETS, KnnConfig(k=2))
    np.testing.assert_allclose(found.vectors[0], [0.5**0.5, 0, 0.5**0.5], atol=1e-6)
    np.testing.assert_allclose(found.weights[0], [0.5, 0.5])


@pytest.mark.parametrize("config", BOTH)
def test_missing_neighbours_weigh_nothing(config: KnnConfig) -> None:
    found = neighbor_weights(neighbors([0.5, -np.inf, -np.inf], [1, -1, -1]), config)
    assert found.tolist() == [[1.0, 0.0, 0.0]]
    none = estimate_from_neighbors(neighbors([-np.inf] * 3, [-1] * 3), TARGETS, config)
    assert none.weights.tolist() == [[0.0] * 3] and none.vectors.tolist() == [[0.0] * 3]


@pytest.mark.parametrize("config", BOTH)
def test_only_k_neighbours_count(config: KnnConfig) -> None:
    wide = neighbors([0.9, 0.5, 0.4], [0, 1, 2])
    narrow = neighbors([0.9, 0.5], [0, 1])
    config = KnnConfig(2, config.weighting)
    np.testing.assert_array_equal(
        estimate_from_neighbors(wide, TARGETS, config).vectors,
        estimate_from_neighbors(narrow, TARGETS, config).vectors,
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
    st.sampled_from(BOTH),
)
def test_order_does_not_matter_and_weights_sum_to_one(
    scores: list[float], random: Any, config: KnnConfig
) -> None:
    rows = list(range(len(scores)))
    pairs = list(zip(scores, rows, strict=True))
    random.shuffle(pairs)
    straight = estimate_from_neighbors(neighbors(scores, rows), TARGETS, config)
    mixed_scores, mixed_rows = map(list, zip(*pairs, strict=True))
    shuffled = estimate_from_neighbors(neighbors(mixed_scores, mixed_rows), TARGETS, config)
    np.testing.assert_allclose(straight.vectors, shuffled.vectors, atol=1e-5)
    assert straight.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(straight.vectors) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("k", [2049, 99999999999])
def test_more_neighbors_than_a_query_can_weigh(k: int) -> None:
    with pytest.raises(ConfigError, match=f"takes k from 1 to 2048, got {k}"):
        KnnConfig(k=k)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"temperature": 0.0}, {"power": -1.0}])
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="k >= 1, temperature > 0, power > 0 and penalty > 0"):
        KnnConfig(**wrong)
