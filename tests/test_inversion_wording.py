"""How far to trust an answer, in words."""

from dataclasses import replace

import numpy as np
import pytest

from unprompt.inversion.answer import Inversion
from unprompt.inversion.trust import describe_trust, name_world, sure_level

VECTOR = np.array([1.0, 0.0], np.float32)
ANSWER = Inversion("a fox", VECTOR, VECTOR, VECTOR, 0.5, (), ())


@pytest.mark.parametrize(
    "expected,level",
    [
        (1.0, "good"),
        (0.6, "good"),
        (0.5951, "good"),  # shown as 0.60
        (0.594, "fair"),
        (0.4, "fair"),
        (0.394, "low"),
        (0.0, "low"),
        (-0.1, "low"),
    ],
)
def test_levels(expected: float, level: str) -> None:
    assert sure_level(expected) == level


def test_an_answer_of_a_world() -> None:
    trust = describe_trust(replace(ANSWER, expected_cosine=0.8249, world="scenes"))
    assert trust.sure == "good, about 0.82" and trust.world == "scenes"
    assert str(trust) == "how sure: good, about 0.82; world: scenes"
    real = describe_trust(replace(ANSWER, expected_cosine=0.45, world="real"))
    assert str(real) == "how sure: fair, about 0.45; world: real pictures"
    assert name_world("my runs") == "my runs"


def test_an_answer_that_does_not_beat_a_constant_is_low_however_high_the_constant() -> None:
    guess = replace(ANSWER, expected_cosine=0.47, world="scenes", outside=True, blank=True)
    assert str(describe_trust(guess)) == (
        "blank or nearly blank picture; no world of this bundle expects to do better than "
        "guessing; how sure: low, about 0.47; world: scenes"
    )


def test_a_bundle_of_one_world() -> None:
    assert str(describe_trust(ANSWER)) == ""
    assert str(describe_trust(replace(ANSWER, expected_cosine=0.3))) == "how sure: low, about 0.30"
    classified = describe_trust(replace(ANSWER, outside=True, novelty=2.0))
    assert classified.sure is None and "image classifier" in (classified.outside or "")
