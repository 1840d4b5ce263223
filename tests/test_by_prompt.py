"""Means and intervals with the prompt as the unit, on cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from unprompt.inversion.fit.by_prompt import (
    equal_weights,
    group_numbers,
    halve,
    mean_by_group,
    score_prompts,
    score_sources,
)


def test_groups_are_numbered_in_order_of_appearance() -> None:
    assert group_numbers(["b", "a", "b", ("c", "d")]).tolist() == [0, 1, 0, 2]


def test_halves_never_split_a_group() -> None:
    assert halve(np.arange(6)).tolist() == [0, 1, 0, 1, 0, 1], "single pictures alternate"
    assert halve(np.array([3, 3, 9, 9])).tolist() == [0, 0, 1, 1]
    assert halve(np.zeros(5, int)).tolist() == [0] * 5 and not len(halve(np.zeros(0, int)))
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(401), [300, *[1] * 400]))
    half = halve(groups)
    assert len(np.unique(half[groups == 0])) == 1
    assert abs(int(half.sum()) - 350) <= 1, "halves have like sizes"
    assert equal_weights(np.array([4, 4, 4, 7])).tolist() == pytest.approx([1 / 6] * 3 + [0.5])


def test_pictures_of_a_prompt_are_averaged_first() -> None:
    cosines = np.array([0.0, 0.2, 0.7, 0.9])
    prompts = np.array([0, 0, 0, 5])
    assert mean_by_group(cosines, prompts).tolist() == pytest.approx([0.3, 0.9])
    found = score_prompts("x", cosines, prompts)
    assert found.mean_cosine == pytest.approx(0.6)
    assert found.success == pytest.approx((1 / 3 + 1) / 2)
    assert (found.prompts, found.pictures) == (2, 4)
    # two prompts: a sample is (0.3, 0.3), (0.9, 0.9) or mixed, each at least a quarter of the time
    assert found.ci95 == pytest.approx((0.3, 0.9))


def test_more_pictures_of_a_prompt_do_not_narrow_the_interval() -> None:
    few = score_prompts("few", np.array([0.2, 0.8]), np.array([0, 1]))
    many = score_prompts("many", np.tile([0.2, 0.8], 50), np.tile([0, 1], 50))
    assert many.ci95 == pytest.approx(few.ci95)


def test_sources_count_the_same() -> None:
    cosines = np.array([0.1, 0.1, 0.1, 0.5])
    sources = np.array(["large", "large", "large", "small"])
    found = score_sources("mean", cosines, np.array([0, 1, 2, 3]), sources)
    assert found.mean_cosine == pytest.approx(0.3)
    assert found.ci95 == pytest.approx((0.3, 0.3)), "each source has one value only"


def test_nothing_to_score_is_nan() -> None:
    found = score_prompts("none", np.zeros(0), np.zeros(0, int))
    assert math.isnan(found.mean_cosine) and found.pictures == 0
