"""The prompt is the unit of tuning and calibration: more pictures of it are no more evidence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.estimate.blend import MAIN, Blend
from unprompt.inversion.estimate.gate import SIGNALS
from unprompt.inversion.fit.calibrate import fit_confidence
from unprompt.inversion.fit.joining.ways import mean_cosines
from unprompt.inversion.fit.search import ValidationSet, two_folds
from unprompt.inversion.fit.tune import FitConfig, MemberKeys, tune_blend
from unprompt.inversion.fit.views import Labels

PROMPTS, PICTURES = 60, 20
GRID = FitConfig(neighbors=(1, 5), powers=(), penalties=(1.0,))


def noisy(truth: np.ndarray, spread: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=truth.shape) / truth.shape[1] ** 0.5
    return to_unit_length(truth + spread * noise)


def tuned(index: PromptIndex, truth: np.ndarray, places: np.ndarray, groups: Any) -> Blend:
    """A blend of the pictures at `places`, whose keys and head estimates err at random."""
    keys, head = noisy(truth, 0.8, 1), noisy(truth, 1.0, 2)
    return tune_blend(
        [MemberKeys(MAIN, index, keys[places], head[places])], truth[places], groups, GRID
    )


def test_twenty_copies_of_every_picture_tune_the_same(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    truth = to_unit_length(np.random.default_rng(0).normal(size=(PROMPTS, 8)))
    make_index(tmp_path, content(truth, truth))
    index = PromptIndex.load(tmp_path)
    once = tuned(index, truth, np.arange(PROMPTS), np.arange(PROMPTS))
    places = np.random.default_rng(3).permutation(np.repeat(np.arange(PROMPTS), PICTURES))
    many = tuned(index, truth, places, places)
    assert many.knn == once.knn and many.alpha == pytest.approx(once.alpha, abs=0.02)
    assert many.validation_cosine == pytest.approx(once.validation_cosine, abs=0.002)
    assert [trial.kept for trial in many.tried] == [trial.kept for trial in once.tried]


def test_a_prompt_with_many_pictures_weighs_like_any_other(
    tmp_path: Path, content: Any, make_index: Any
) -> None:
    """Copies of the first picture alone change nothing."""
    truth = to_unit_length(np.random.default_rng(0).normal(size=(PROMPTS, 8)))
    make_index(tmp_path, content(truth, truth))
    index = PromptIndex.load(tmp_path)
    once = tuned(index, truth, np.arange(PROMPTS), np.arange(PROMPTS))
    places = np.concatenate([np.zeros(400, int), np.arange(1, PROMPTS)])
    many = tuned(index, truth, places, places)
    assert many.knn == once.knn
    assert many.tried[0].validation_cosine == pytest.approx(once.tried[0].validation_cosine)


def test_no_prompt_lies_in_both_halves() -> None:
    groups = np.random.default_rng(1).integers(0, 30, 200)
    truth = np.ones((200, 2)) / 2**0.5
    marked = np.repeat(groups[:, None], len(SIGNALS), axis=1).astype(float)
    validation = ValidationSet(truth, truth, truth, marked, np.zeros(2), groups)
    for fitted, measured in two_folds(validation):
        assert not set(fitted.groups) & set(measured.groups)
        assert set(fitted.signals[:, 0]) == set(fitted.groups), "all parts are taken alike"


def test_calibration_is_measured_on_other_prompts() -> None:
    """Signals say which prompt a picture has, but nothing of its cosine.

    A fit that knows other pictures of the prompt would seem calibrated.
    """
    random = np.random.default_rng(2)
    signals = random.normal(size=(24, len(SIGNALS)))
    cosines = 0.5 + 0.15 * random.normal(size=24)
    alone = fit_confidence(signals, cosines, np.arange(24))
    places = np.repeat(np.arange(24), PICTURES)
    many = fit_confidence(signals[places], cosines[places], places)
    assert many.weights == pytest.approx(alone.weights, abs=1e-9)
    split = fit_confidence(signals[places], cosines[places], np.arange(len(places)))
    assert many.calibration_error == pytest.approx(alone.calibration_error, rel=0.35)
    assert split.calibration_error < 0.6 * many.calibration_error


def test_one_prompt_alone_promises_nothing() -> None:
    """No other prompt can measure the fit, so the error is that of an expectation of 0."""
    random = np.random.default_rng(5)
    found = fit_confidence(random.normal(size=(9, len(SIGNALS))), np.full(9, 0.7), np.zeros(9, int))
    assert found.calibration_error == pytest.approx(0.7)


def test_ways_are_compared_over_prompts() -> None:
    """The second corpus has one prompt with three pictures, and one with one."""
    labels = Labels(np.array([0, 0, 1, 1, 1, 1]), np.ones((6, 2)), np.array([0, 1, 2, 2, 2, 3]))
    found = mean_cosines(np.array([0.2, 0.4, 0.9, 0.9, 0.9, 0.1]), labels, 2)
    assert found == pytest.approx((0.3, 0.5))
