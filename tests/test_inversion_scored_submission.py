"""A submission against the truth: what does not match is refused, and named."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError
from unprompt.inversion.batch.scored_submission import (
    MatchedSubmission,
    match_truth,
    read_submission,
)

VECTORS = {"a red fox": [1.0, 0.0, 0.0], "a castle": [0.0, 1.0, 0.0]}
TRUTH = 'imgId,prompt\nx,a red fox\n"a,b",a castle\n'
RIGHT = ("x_0,2", "x_1,0", "x_2,0", '"a,b_0",0', '"a,b_1",0.5', '"a,b_2",0')


class ThreeNumbers:
    """An encoder of two known prompts."""

    space, dim = "words", 3

    def encode(self, prompts: Sequence[str]) -> np.ndarray:
        return np.array([VECTORS[prompt] for prompt in prompts], np.float32)


@pytest.fixture
def match(tmp_path: Path) -> Callable[..., MatchedSubmission]:
    def run(lines: Sequence[str], truth: str = TRUTH, end: str = "\n") -> MatchedSubmission:
        text = end.join(["imgId_eId,val", *lines, ""])
        (tmp_path / "own.csv").write_text(text, encoding="utf-8", newline="")
        (tmp_path / "truth.csv").write_text(truth, encoding="utf-8")
        return match_truth(tmp_path / "own.csv", tmp_path / "truth.csv", ThreeNumbers())

    return run


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_right_submission_in_any_order(match: Callable[..., MatchedSubmission], end: str) -> None:
    """In the order of the truth, at unit length, whatever the order of the lines."""
    for lines in (RIGHT, RIGHT[::-1], RIGHT[1::2] + RIGHT[::2]):
        found = match(lines, end=end)
        np.testing.assert_allclose(found.vectors, [[1, 0, 0], [0, 1, 0]])
        np.testing.assert_allclose(found.truth, found.vectors)
        assert found.prompts == ["a red fox", "a castle"]


def test_vectors_of_any_finite_size_have_a_direction(
    match: Callable[..., MatchedSubmission],
) -> None:
    lines = ("x_0,1e300", "x_1,1e300", "x_2,0", *(f'"a,b_{n}",1e-300' for n in range(3)))
    found = match(lines).vectors
    np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5, 0], [3**-0.5] * 3], rtol=1e-6)


def changed(line: int, text: str | None) -> list[str]:
    """The right lines with one replaced, or left out."""
    return [
        own for place, one in enumerate(RIGHT) for own in [text if place == line else one] if own
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (RIGHT[:3], r"lacks 1 image \('a,b'\)"),
        ((*RIGHT, "y_0,1", "y_1,1", "y_2,1"), r"no prompt for 1 image \('y'\)"),
        ((*RIGHT, "x_0,2"), "'x_0' comes twice"),
        ((*RIGHT, "x_3,0"), "'x_3' is out of place.*3 numbers, _0 to _2"),
        (changed(2, None), r"'x' has 2 and lacks _2"),
        (changed(0, "x_3,2"), "'x_3' is out of place"),
        ([one.replace("_1", "_0") for one in RIGHT], "'x_0' comes twice"),
        (changed(0, "x_00,2"), "'x_00' has no number"),
        (changed(0, "x,2"), "'x' has no number"),
        (changed(0, ","), "'an empty line' has no number"),
        (changed(0, "_0,2"), "'_0' has no number"),
        (changed(0, "x_\u0660,2"), "has no number"),
        (changed(0, "x_99999999999999999999,2"), "has no number"),
        (changed(0, "x_999999999,2"), "is out of place"),
        (changed(1, "x_1,nan"), "'x_1' is 'nan', wanted a finite number; 1 of 6"),
        (changed(1, "x_1,-inf"), "'x_1' is '-inf'"),
        (changed(1, "x_1,1e999"), "'x_1' is '1e999'"),
        (changed(1, "x_1,"), "'x_1' is None"),
        (changed(1, "x_1,high"), "'x_1' is 'high'"),
        ((), "no row below its header"),
        (["x_0,1,2", *RIGHT[1:]], "wanted a csv of imgId_eId,val"),
    ],
)
def test_what_does_not_match(
    match: Callable[..., MatchedSubmission], lines: Sequence[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        match(lines)


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        (TRUTH + "x,a castle\n", r"more than one prompt for 1 image \('x'\)"),
        (TRUTH + "x,a red fox\n", r"more than one prompt for 1 image \('x'\)"),
        (TRUTH + "z,\n", r"no prompt for 1 image \('z'\)"),
        (TRUTH + 'z," "\n', r"no prompt for 1 image \('z'\)"),
        (TRUTH + ",a castle\n", "1 rows without imgId"),
        ("id,prompt\nx,a red fox\n", "wanted imgId,prompt"),
        ("imgId,prompt\n", "no row below its header"),
    ],
)
def test_a_truth_that_cannot_score(
    match: Callable[..., MatchedSubmission], truth: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        match(RIGHT, truth)


def test_several_faults_name_the_first_images(match: Callable[..., MatchedSubmission]) -> None:
    truth = TRUTH + "".join(f"p{place},a castle\n" for place in range(9))
    with pytest.raises(ConfigError, match=r"lacks 9 images \('p0', 'p1', 'p2', \.\.\.\)"):
        match(RIGHT, truth)


def test_without_an_encoder_the_longest_image_sets_the_length(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("imgId_eId,val\na_0,1\na_1,2\nb_0,3\n")
    with pytest.raises(ConfigError, match="1 image .'b'. has fewer than 2 numbers"):
        read_submission(path)
    path.write_bytes(b"imgId_eId,val\n\xff_0,1\n")
    with pytest.raises(ConfigError, match="cannot read"):
        read_submission(path)


CASES = Path(__file__).parents[2] / "shared" / "cases" / "files"


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no {CASES}: the cases are not part of the project")
@pytest.mark.parametrize(
    ("submission", "truth", "told"),
    [
        ("11-*/missing.csv", "truth.csv", "lacks 2 images"),
        ("11-*/onebased.csv", "truth.csv", "_384' is out of place"),
        ("11-*/allzero_place.csv", "truth.csv", "_0' comes twice"),
        ("11-*/ok.csv", "truth_dup.csv", "more than one prompt"),
        ("12-*/d383.csv", "truth.csv", "has 383 and lacks _383"),
        ("13-*/nan.csv", "truth.csv", "wanted a finite number"),
        ("13-*/inf.csv", "truth.csv", "wanted a finite number"),
    ],
)
def test_seen_faults(submission: str, truth: str, told: str) -> None:
    class NothingToEncode(ThreeNumbers):
        dim = 384

    [path] = CASES.glob(submission)
    with pytest.raises(ConfigError, match=told):
        match_truth(path, path.with_name(truth), NothingToEncode())
