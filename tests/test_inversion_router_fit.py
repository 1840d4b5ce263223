"""The fit of a router on made worlds: it finds what was put in, and keeps only what gains."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.estimate.router import load_router
from unprompt.inversion.fit.calibrate import fit_confidence
from unprompt.inversion.fit.logistic import (
    Examples,
    balanced,
    choose_penalty,
    fit_logistic,
    make_folds,
)
from unprompt.inversion.fit.principal_axes import PrincipalAxes, find_axes
from unprompt.inversion.fit.router import apply_router, fit_router
from unprompt.inversion.fit.routing_scores import routed_cosines
from unprompt.inversion.fit.views import Labels, RouterConfig, WorldView

DIM, PROMPT = 6, 64
QUICK = RouterConfig(penalties=(1e-4, 1e-3), signals=False)


def noisy(truth: np.ndarray, spread: np.ndarray, seed: int) -> np.ndarray:
    """Answers off the truth by a spread (n,) each: their cosine is about 1 / sqrt(1 + spread^2)."""
    noise = np.random.default_rng(seed).normal(size=truth.shape) / truth.shape[1] ** 0.5
    return to_unit_length(truth + spread[:, None] * noise)


def make_views(
    counts: tuple[int, ...], seed: int = 0, spreads: tuple[float, float] = (0.5, 4.0)
) -> tuple[list[WorldView], Labels]:
    """Two worlds, and perhaps pictures of neither: axis i of the keys is high for class i.

    A world's answers are good for its own pictures and bad for all others.
    """
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    truth = to_unit_length(random.normal(size=(len(labels), PROMPT)))
    views = []
    for place, name in enumerate(("warm", "cold")):
        keys = random.normal(size=(len(labels), DIM)) * 0.15
        keys[np.arange(len(labels)), labels] += 1.0
        spread = np.where(labels == place, *spreads)
        signals = random.normal(size=(len(labels), len(SIGNALS)))
        answers = noisy(truth, spread, 10 + place)
        own = labels == place
        cosines = np.einsum("nd,nd->n", answers[own], truth[own])
        confidence = fit_confidence(signals[own], cosines, np.flatnonzero(own))
        mean = to_unit_length(truth.mean(axis=0, keepdims=True))[0]
        views.append(
            WorldView(name, name, to_unit_length(keys), signals, answers, confidence, mean)
        )
    return views, Labels(labels, truth)


def test_pictures_go_to_their_world_and_expectations_hold() -> None:
    views, labels = make_views((300, 60))
    router = fit_router(views, labels, QUICK)
    fresh, truth = make_views((200, 200), seed=5)
    routing = apply_router(router, fresh)
    assert (routing.world == truth.world).mean() > 0.97
    found = routed_cosines(fresh, truth, routing)
    assert found.mean() == pytest.approx(1 / 1.25**0.5, abs=0.02), "1 / sqrt(1 + 0.5^2)"
    assert routing.best.mean() == pytest.approx(found.mean(), abs=0.03)
    assert not routing.outside.any()
    settings = router.settings
    assert settings.names == ("warm", "cold")
    assert [known.pictures for known in settings.classes] == [300, 60]
    assert all(known.routed > 0.95 for known in settings.classes)
    assert (settings.belonging_error or 1.0) < 0.05
    foreign = settings.worlds[0].foreign
    assert foreign.pictures == 60 and foreign.bias == pytest.approx(1 / 17**0.5, abs=0.05)


def test_the_same_router_twice() -> None:
    views, labels = make_views((60, 60))
    one, other = (fit_router(views, labels, QUICK) for _ in range(2))
    assert one.settings == other.settings
    np.testing.assert_array_equal(one.regression.weights, other.regression.weights)


def test_what_belongs_to_neither_is_outside() -> None:
    """There is a class for it. Where no prompt of it is known, no cosine is expected at all."""
    views, labels = make_views((100, 100, 50), spreads=(0.5, 4.0))
    truth = np.where((labels.world == 2)[:, None], 0.0, labels.truth)
    views = [replace(v, mean=mean) for v, mean in zip(views, np.eye(PROMPT)[:2], strict=True)]
    # a constant that reaches 0.5 with any picture
    truth[:, :2] = 0.5 * (np.linalg.norm(truth, axis=1) > 0)[:, None]
    truth[:, 2:] *= 0.5**0.5 / np.maximum(np.linalg.norm(truth[:, 2:], axis=1), 1e-9)[:, None]
    router = fit_router(views, Labels(labels.world, truth), QUICK)
    warm, cold, neither = router.settings.classes
    assert neither.name == "neither" and neither.cosine is None and neither.outside > 0.9
    assert router.settings.worlds[0].kinds == (0.0,)
    assert router.settings.worlds[0].constants == pytest.approx((0.5,) * 3, abs=1e-6)
    assert router.settings.names == ("warm", "cold", "neither") and neither.routed > 0.9


def test_a_kind_with_known_prompts_has_its_own_expectation() -> None:
    views, labels = make_views((100, 100, 50), spreads=(0.5, 4.0))
    named = Labels(labels.world, labels.truth, kinds=("photographs",))
    router = fit_router(views, named, QUICK)
    (found,) = router.settings.worlds[0].kinds
    own = named.world == 2
    cosines = np.einsum("nd,nd->n", views[0].answers[own], named.truth[own])
    assert found == pytest.approx(cosines.mean()) and router.settings.kinds == ("photographs",)
    constants = [float((named.truth[named.world == c] @ views[0].mean).mean()) for c in range(3)]
    assert router.settings.worlds[0].constants == pytest.approx(constants, abs=1e-5)
    assert router.settings.worlds[0].foreign.pictures == 100, "the other world's alone"
    routing = apply_router(router, [view.take(own) for view in views])
    assert routing.best.mean() == pytest.approx(cosines.mean(), abs=0.1)
    one = Labels(np.where(labels.world == 0, 0, 1), labels.truth)
    alone = fit_router(views[:1], one, QUICK).settings
    assert alone.names == ("warm", "neither") and alone.worlds[0].foreign.pictures == 150


def test_a_mix_is_kept_only_where_it_gains() -> None:
    """Both worlds answer all pictures alike, with noise of their own: their mean is better."""
    alike, labels = make_views((100, 100), spreads=(1.0, 1.0))
    assert fit_router(alike, labels, QUICK).settings.temperature is not None
    apart, labels = make_views((100, 100), spreads=(0.3, 8.0))
    assert fit_router(apart, labels, QUICK).settings.temperature is None


def test_signals_are_read_where_keys_say_nothing() -> None:
    views, labels = make_views((100, 100))
    random = np.random.default_rng(3)
    told = []
    for view in views:
        signals = view.signals.copy()
        signals[:, 0] = 3.0 * labels.world + random.normal(size=len(signals)) * 0.3
        keys = to_unit_length(random.normal(size=view.keys.shape))
        told.append(
            WorldView(
                view.name, view.space, keys, signals, view.answers, view.confidence, view.mean
            )
        )
    router = fit_router(told, labels, RouterConfig(penalties=(1e-3,)))
    assert router.settings.signals and router.settings.classes[0].routed > 0.95
    assert not fit_router(told, labels, QUICK).settings.signals


def test_logistic_regression_by_hand() -> None:
    """Three of four pictures with feature 1 are of class 1, one of four without: log odds 3, -3."""
    features = np.array([[1.0]] * 4 + [[0.0]] * 4)
    labels = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    examples = Examples(features, labels, balanced(labels, 2), 2)
    line = fit_logistic(examples, 1e-9)
    found = line(np.array([[1.0], [0.0]]))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.75, 0.25]], atol=1e-3)
    strong = fit_logistic(examples, 100.0)
    np.testing.assert_allclose(strong(features), 0.5, atol=0.01)
    np.testing.assert_allclose(balanced(np.array([0, 0, 0, 1]), 2), [1 / 6] * 3 + [1 / 2])


def test_a_penalty_protects_from_noise() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 50))
    labels = random.integers(0, 2, 60)
    examples = Examples(features, labels, balanced(labels, 2), 2)
    folds = make_folds(np.arange(60), labels, 4)
    penalty, loss = choose_penalty(examples, folds, (1e-6, 10.0))
    assert penalty == 10.0 and loss == pytest.approx(np.log(2), abs=0.05)


def test_folds_keep_groups_whole_and_hold_every_class() -> None:
    groups = np.repeat(np.arange(12), 5)
    labels = (groups >= 9).astype(int)
    folds = make_folds(groups, labels, 3)
    assert all(len(set(folds[groups == group])) == 1 for group in range(12))
    assert all(set(folds[labels == label]) == {0, 1, 2} for label in (0, 1))


def test_too_few_pictures() -> None:
    views, labels = make_views((20, 3))
    with pytest.raises(ConfigError, match="8 pictures of cold or more.*got 3"):
        fit_router(views, labels, QUICK)
    views, labels = make_views((20, 20))
    one_group = Labels(labels.world, labels.truth, labels.world)
    with pytest.raises(ConfigError, match="in two groups or more; got 20 in 1"):
        fit_router(views, one_group, QUICK)
    unknown = np.where((labels.world == 1)[:, None], 0.0, labels.truth)
    with pytest.raises(ConfigError, match="foreign to warm.*got 0"):
        fit_router(views, Labels(labels.world, unknown), QUICK)


def test_along_all_axes_the_regression_is_the_same() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 5)) * [3.0, 2.0, 1.0, 0.5, 1.0] + 4.0
    labels = (features[:, 1] > 4.0).astype(int)
    examples = Examples(features, labels, balanced(labels, 2), 2)
    whole = fit_logistic(examples, 0.01)
    turn, _ = np.linalg.qr(random.normal(size=(4, 4)))
    axes = PrincipalAxes(turn)  # the fifth feature stays
    line = axes.lengthen(fit_logistic(examples._replace(features=axes.shorten(features)), 0.01))
    np.testing.assert_allclose(line(features), whole(features), atol=1e-3)
    first = find_axes(features, 2).basis
    assert first.shape == (5, 2) and np.abs(first[:2]).max() > 0.9
    np.testing.assert_allclose(first.T @ first, np.eye(2), atol=1e-9)
    np.testing.assert_array_equal(find_axes(features, 5).basis, np.eye(5))


def test_few_axes_tell_worlds_apart_and_are_stored_small(tmp_path: Path) -> None:
    views, labels = make_views((100, 100))
    router = fit_router(views, labels, replace(QUICK, components=2))
    assert all(known.routed > 0.95 for known in router.settings.classes)
    router.save(tmp_path)
    again = load_router(tmp_path)
    np.testing.assert_array_equal(again.regression.weights, router.regression.weights)
    assert again.regression.weights.dtype == np.float32
    numbers = 2 * router.regression.weights.size + 4 * router.regression.bias.size
    assert (tmp_path / "router.safetensors").stat().st_size < numbers + 600
