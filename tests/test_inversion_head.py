"""The ridge head against numpy's own least squares and the closed form; saved and loaded."""

import json
from pathlib import Path

import numpy as np
import pytest

from unprompt.index.base.errors import ConfigError, DamagedFileError, SpaceMismatchError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.head import HeadConfig, HeadDescription, LinearHead, load_head
from unprompt.inversion.estimate.ridge import RidgeProblem, fit_ridge

GENERATOR = np.random.default_rng(0)
FEATURES = GENERATOR.normal(size=(60, 5))
TARGETS = FEATURES @ GENERATOR.normal(size=(5, 3)) + 0.3 + 0.1 * GENERATOR.normal(size=(60, 3))
UNIT = to_unit_length(TARGETS)
SPACES = ("colours", "words")


def test_no_penalty_is_least_squares() -> None:
    with_bias = np.hstack([FEATURES, np.ones((60, 1))])
    wanted = np.linalg.lstsq(with_bias, TARGETS, rcond=None)[0]
    weight, bias = RidgeProblem([(FEATURES, TARGETS)]).solve(1e-12)
    np.testing.assert_allclose(weight, wanted[:5], atol=1e-5)
    np.testing.assert_allclose(bias, wanted[5], atol=1e-5)


def test_closed_form_with_a_penalty() -> None:
    centred = FEATURES - FEATURES.mean(axis=0)
    covariance = centred.T @ centred / 60
    ridge = 2.0 * np.trace(covariance) / 5
    wanted = np.linalg.solve(covariance + ridge * np.eye(5), centred.T @ TARGETS / 60)
    weight, bias = RidgeProblem([(FEATURES, TARGETS)]).solve(2.0)
    np.testing.assert_allclose(weight, wanted, atol=1e-6)
    np.testing.assert_allclose(
        bias, TARGETS.mean(axis=0) - FEATURES.mean(axis=0) @ wanted, atol=1e-6
    )


def test_one_feature_by_hand() -> None:
    """x = -1, 1 and y = -2, 2: variance 1, so that y = 2x / (1 + penalty)."""
    weight, bias = RidgeProblem([(np.array([[-1.0], [1.0]]), np.array([[-2.0], [2.0]]))]).solve(3.0)
    assert weight.tolist() == [[0.5]] and bias.tolist() == [0.0]


def test_an_endless_penalty_answers_with_the_mean() -> None:
    weight, bias = RidgeProblem([(FEATURES, TARGETS)]).solve(1e12)
    np.testing.assert_allclose(weight, 0, atol=1e-9)
    np.testing.assert_allclose(bias, TARGETS.mean(axis=0), atol=1e-6)


def test_more_features_than_rows() -> None:
    features = GENERATOR.normal(size=(4, 30))
    weight, bias = RidgeProblem([(features, TARGETS[:4])]).solve(0.1)
    assert np.isfinite(weight).all() and np.isfinite(bias).all()


def test_blocks_give_the_same_as_all_rows_together() -> None:
    """Far from the origin too, where sums of squares would lose digits."""
    features = 1000.0 + FEATURES
    whole = RidgeProblem([(features, TARGETS)])
    blocks = [
        (features[start : start + 7], TARGETS[start : start + 7]) for start in range(0, 60, 7)
    ]
    joined = RidgeProblem(iter(blocks))
    assert joined.rows == whole.rows == 60
    for one, other in zip(joined.solve(0.1), whole.solve(0.1), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    with pytest.raises(ConfigError, match="at least one row"):
        RidgeProblem([])


def test_weights_of_validation_rows_choose_the_penalty() -> None:
    """Rows without weight do not count: their truth is the opposite."""
    truth = np.concatenate([UNIT[40:50], -UNIT[50:]])
    weights = np.repeat([0.1, 0.0], 10)
    head = fit_ridge([(FEATURES[:40], UNIT[:40])], (FEATURES[40:], truth), SPACES, (1e-3,), weights)
    assert head.description.validation_cosine > 0.8


def test_validation_chooses_the_penalty() -> None:
    train, validation = (FEATURES[:40], UNIT[:40]), (FEATURES[40:], UNIT[40:])
    penalties = (1e-3, 1.0, 1e4)
    head = fit_ridge([train], validation, SPACES, penalties)
    scores = []
    for penalty in penalties:
        weight, bias = RidgeProblem([train]).solve(penalty)
        estimates = to_unit_length(validation[0] @ weight + bias)
        scores.append(float((estimates * validation[1]).sum(axis=1).mean()))
    assert head.description.penalty == penalties[int(np.argmax(scores))]
    assert head.description.validation_cosine == pytest.approx(max(scores), abs=1e-5)
    assert (head.description.rows, head.space) == (40, "colours")
    np.testing.assert_allclose(np.linalg.norm(head.predict(FEATURES), axis=1), 1.0, atol=1e-5)


def test_no_penalties() -> None:
    for penalties in ((), (0.0,), (1.0, -1.0)):
        with pytest.raises(ConfigError, match="head.penalties"):
            HeadConfig(penalties)
    with pytest.raises(ConfigError, match="at least one penalty"):
        fit_ridge([(FEATURES, UNIT)], (FEATURES, UNIT), SPACES, ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fit_ridge([(FEATURES, UNIT)], (FEATURES, UNIT), SPACES, (1.0,)).save(tmp_path / "head")
    return tmp_path / "head"


def test_saved_and_loaded_predicts_the_same(folder: Path) -> None:
    head = fit_ridge([(FEATURES, UNIT)], (FEATURES, UNIT), SPACES, (1.0,))
    loaded = load_head(folder, "colours")
    # weights are kept as float16
    np.testing.assert_allclose(loaded.predict(FEATURES), head.predict(FEATURES), atol=2e-3)
    assert isinstance(loaded, LinearHead)
    assert isinstance(loaded.description, HeadDescription)
    assert loaded.description == head.description


def test_same_head_same_bytes(folder: Path, tmp_path: Path) -> None:
    fit_ridge([(FEATURES, UNIT)], (FEATURES, UNIT), SPACES, (1.0,)).save(tmp_path / "again")
    for name in ("config.json", "head.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_another_encoder_is_refused(folder: Path) -> None:
    with pytest.raises(SpaceMismatchError, match="colours.*shapes.*--stage fit"):
        load_head(folder, "shapes")


def test_broken_weights_are_named(folder: Path) -> None:
    path = folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError, match=r"head\.safetensors is broken"):
        load_head(folder, "colours")
    path.unlink()
    with pytest.raises(DamagedFileError, match=r"head\.safetensors is broken"):
        load_head(folder, "colours")


def test_an_unknown_kind_of_head(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kind": "lora"}))
    with pytest.raises(ConfigError, match="'trained', 'encoder' or 'kernel', got 'lora'"):
        load_head(folder, "colours")
