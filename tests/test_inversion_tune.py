"""Tuning: what helps is kept, what only fits noise is not, and the gate follows its signals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import (
    MAIN,
    Blend,
    MemberShare,
    combine,
    load_blend,
    mix,
    query_alpha,
    save_blend,
)
from unprompt.inversion.estimate.gate import SIGNALS, Gate, measure_signals
from unprompt.inversion.estimate.head import HeadDescription, LinearHead
from unprompt.inversion.estimate.knn import KnnConfig, KnnEstimate, Neighbors
from unprompt.inversion.estimate.member import estimate_prompts
from unprompt.inversion.fit.search import (
    ValidationSet,
    alpha_per_dimension,
    choose_alpha,
    fit_gate,
    fit_prior,
    member_weights,
)
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, tune_blend

START = Blend(0.5, KnnConfig(), 0.0, 1)


def noisy(truth: np.ndarray, spread: Any, seed: int) -> np.ndarray:
    """Estimates of the truth, each off by its own spread."""
    noise = np.random.default_rng(seed).normal(size=truth.shape) / truth.shape[1] ** 0.5
    return to_unit_length(truth + np.asarray(spread) * noise)


@pytest.fixture(scope="module")
def validation() -> ValidationSet:
    """kNN is good where the first signal is high, bad where it is low; the head is in between."""
    random = np.random.default_rng(0)
    truth = to_unit_length(random.normal(size=(400, 16)) + 1.0)
    good = random.random(400) < 0.5
    knn = noisy(truth, np.where(good, 0.2, 2.0)[:, None], 1)
    signals = random.normal(size=(400, len(SIGNALS)))
    signals[:, 0] = good
    mean = to_unit_length(truth.mean(axis=0, keepdims=True))[0]
    return ValidationSet(knn, noisy(truth, 0.7, 2), truth, signals, mean, np.arange(400))


def test_gate_learns_when_neighbours_are_right(validation: ValidationSet) -> None:
    alpha, even = choose_alpha(validation.knn, validation.head, validation.truth)
    gated = fit_gate(validation, Blend(alpha, KnnConfig(), even, 400))
    assert validation.score(gated) > even + 0.02
    alphas = query_alpha(gated, validation.signals)
    assert np.asarray(alphas)[validation.signals[:, 0] > 0].mean() > 0.6
    assert np.asarray(alphas)[validation.signals[:, 0] <= 0].mean() < 0.3


def test_prior_shrinks_noise_towards_the_mean(validation: ValidationSet) -> None:
    bad = replace(validation, head=noisy(validation.truth, 3.0, 5))
    found = fit_prior(bad, START)
    assert found.prior > 0.1
    assert bad.score(found) > bad.score(START) + 0.01


def test_alpha_per_dimension_finds_the_good_dimensions() -> None:
    """kNN is right in the first half of the dimensions, the head in the second."""
    random = np.random.default_rng(1)
    truth = random.normal(size=(300, 8))
    split = np.arange(8) < 4
    knn = np.where(split, truth, random.normal(size=truth.shape))
    head = np.where(split, random.normal(size=truth.shape), truth)
    parts = [to_unit_length(part) for part in (knn, head, truth)]
    signals, mean = np.zeros((300, len(SIGNALS))), np.zeros(8, np.float32)
    validation = ValidationSet(*parts, signals, mean, np.arange(300))
    found = alpha_per_dimension(validation, START)
    alphas = np.array(found.alpha_per_dimension)
    assert alphas[:4].min() > 0.8 and alphas[4:].max() < 0.2
    assert validation.score(found) > validation.score(START) + 0.1


def test_member_weights_find_a_known_mixture() -> None:
    truth = to_unit_length(np.random.default_rng(2).normal(size=(50, 6)))
    axes = [to_unit_length(np.random.default_rng(seed).normal(size=(50, 6))) for seed in (3, 4)]
    wanted = to_unit_length(0.7 * truth + 0.3 * axes[0])
    weights, cosine = member_weights([truth, *axes], wanted)
    np.testing.assert_allclose(weights, [0.7, 0.3, 0.0], atol=0.01)
    assert cosine == pytest.approx(1.0, abs=1e-4)


def test_combine_by_hand() -> None:
    one, other = np.array([[2.0, 0.0]]), np.array([[0.0, 5.0]])
    np.testing.assert_allclose(combine([one, other], [0.6, 0.8]), [[0.6, 0.8]], atol=1e-6)
    np.testing.assert_allclose(combine([one], [0.1]), [[1.0, 0.0]])


def test_alpha_of_each_query_and_prior_by_hand() -> None:
    knn, head = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1]
    found = mix(knn, head, np.array([1.0, 0.5]))
    np.testing.assert_allclose(found, [[1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)
    shrunk = mix(knn, knn, 0.5, 1.0, np.array([0.0, 1.0], np.float32))
    np.testing.assert_allclose(shrunk, [[0.5**0.5, 0.5**0.5], [0, 1]], atol=1e-6)


def test_signals_by_hand() -> None:
    neighbors = Neighbors(
        np.array([[0.9, 0.5], [-np.inf, -np.inf]], np.float32), np.array([[0, 1], [-1, -1]])
    )
    knn = KnnEstimate(
        np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.5, 0.5], [0, 0]]), neighbors,
        np.array([0.8, 0.0]),
    )  # fmt: skip
    found = measure_signals(knn, np.array([[0.6, 0.8], [1.0, 0.0]]))
    np.testing.assert_allclose(found[0], [0.9, 0.2, 1.0, 0.8, 0.6], atol=1e-6)
    assert np.isfinite(found).all()


def test_noise_is_not_kept(tmp_path: Path, content: Any, make_index: Any) -> None:
    """Signals that mean nothing: no gate; the trials are listed with their gains all the same."""
    random = np.random.default_rng(6)
    keys = to_unit_length(random.normal(size=(200, 8)))
    make_index(tmp_path, content(keys, keys))
    queries = to_unit_length(keys + 0.3 * random.normal(size=keys.shape))
    head = noisy(keys, 1.0, 7)
    member = MemberKeys(MAIN, PromptIndex.load(tmp_path), queries, head)
    config = FitConfig(neighbors=(1, 5), per_dimension=True)
    groups = np.arange(200)
    blend = tune_blend([member], keys, groups, config)
    assert [trial.what.split(":")[0] for trial in blend.tried][-2:] == [
        "gate", "alpha per dimension (Adam)",
    ]  # fmt: skip
    assert blend.tried[0].what.startswith("untuned")
    assert blend.validation_cosine >= max(t.validation_cosine for t in blend.tried if t.kept) - 1e-6
    save_blend(tmp_path / "blend.json", blend)
    assert load_blend(tmp_path / "blend.json") == blend
    assert blend == tune_blend([member], keys, groups, config), "the same twice"


def test_two_members_beat_one(tmp_path: Path, content: Any, make_index: Any) -> None:
    """Two heads with errors of their own; the tuned ensemble answers as it was tuned."""
    keys = to_unit_length(np.random.default_rng(8).normal(size=(100, 8)))
    make_index(tmp_path, content(keys, keys))
    index = PromptIndex.load(tmp_path)
    queries = [noisy(keys, 1.0, seed) for seed in (9, 10)]
    description = HeadDescription("ridge", "colours", "words", 1.0, 3, 1.0)
    head = LinearHead(np.eye(8, dtype=np.float32), np.zeros(8, np.float32), description)
    members = [
        MemberKeys(name, index, own, head.predict(own))
        for name, own in zip((MAIN, "second"), queries, strict=True)
    ]
    config = FitConfig(neighbors=(1, 5))
    together = tune_blend(members, keys, np.arange(100), config)
    alone = tune_blend(members[:1], keys, np.arange(100), config)
    assert together.validation_cosine > alone.validation_cosine + 0.03
    assert [share.name for share in together.members] == [MAIN, "second"]
    found = estimate_prompts([(index, head)] * 2, queries, together)
    cosines = np.einsum("qd,qd->q", found.blend, keys)
    assert cosines.mean() == pytest.approx(together.validation_cosine, abs=1e-4)


def test_settings_a_user_moves() -> None:
    gate = Gate((0.0,) * 5, (1.0,) * 5, (0.1,) * 5, 0.0)
    shares = (MemberShare(MAIN, KnnConfig(), 0.5, 0.5), MemberShare("b", KnnConfig(), 0.5, 0.5))
    tuned = Blend(0.5, KnnConfig(), 0.8, 10, gate=gate, members=shares)
    moved = tuned.with_alpha(0.2).with_knn(KnnConfig(k=3))
    assert (moved.alpha, moved.gate, moved.knn.k) == (0.2, None, 3)
    assert [share.knn.k for share in moved.members] == [3, 50]


def test_a_gate_that_cannot_work() -> None:
    with pytest.raises(ConfigError, match="a mean, a scale over 0 and a weight"):
        Gate((0.0,), (1.0,), (0.1,), 0.0)
    with pytest.raises(ConfigError, match="not both"):
        Blend(
            0.5, KnnConfig(), 0.8, 10, alpha_per_dimension=(0.5,),
            gate=Gate((0.0,) * 5, (1.0,) * 5, (0.1,) * 5, 0.0),
        )  # fmt: skip
