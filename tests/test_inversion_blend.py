"""The blend of two estimates: its ends are the parts, its middle can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.inversion.estimate.blend import Blend, load_blend, mean_cosine, mix, save_blend
from unprompt.inversion.estimate.knn import KnnConfig
from unprompt.inversion.fit.search import choose_alpha

KNN = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
HEAD = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)


def test_the_ends_are_the_parts() -> None:
    np.testing.assert_allclose(mix(KNN, HEAD, 1.0), KNN)
    np.testing.assert_allclose(mix(KNN, HEAD, 0.0), HEAD)


def test_the_middle_by_hand() -> None:
    """0.6 of one axis and 0.4 of the other, at unit length; the parts' own lengths do not count."""
    wanted = np.array([[3, 2], [2, 3]]) / 13**0.5
    np.testing.assert_allclose(mix(KNN, HEAD, 0.6), wanted, atol=1e-6)
    np.testing.assert_allclose(mix(5 * KNN, HEAD, 0.6), wanted, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2**31))
def test_unit_length_and_symmetry(alpha: float, seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, 3, 8))
    found = mix(one, other, alpha)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(found, mix(other, one, 1.0 - alpha), atol=1e-4)


def test_mean_cosine_by_hand() -> None:
    assert mean_cosine(KNN, np.array([[1.0, 0.0], [0.6, 0.8]])) == pytest.approx(0.9)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.7, 1.0])
def test_the_known_optimum_is_found(alpha: float) -> None:
    found, cosine = choose_alpha(KNN, HEAD, mix(KNN, HEAD, alpha))
    assert found == pytest.approx(alpha)
    assert cosine == pytest.approx(1.0, abs=1e-6)


def test_the_best_of_a_coarse_grid() -> None:
    found, cosine = choose_alpha(KNN, HEAD, mix(KNN, HEAD, 0.6), steps=3)
    assert found == 0.5
    assert cosine == pytest.approx(5 / 26**0.5, abs=1e-6)


def test_there_and_back(tmp_path: Path) -> None:
    blend = Blend(0.37, KnnConfig(20, "inverse_power", power=3.0), 0.71, 40)
    save_blend(tmp_path / "blend.json", blend)
    assert load_blend(tmp_path / "blend.json") == blend


def test_what_is_no_blend(tmp_path: Path) -> None:
    path = tmp_path / "blend.json"
    with pytest.raises(DamagedFileError, match=r"blend\.json is missing"):
        load_blend(path)
    path.write_text('{"alpha": 0.5}')
    with pytest.raises(ConfigError, match=r"blend\.json"):
        load_blend(path)
    for alpha in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match=r"blend\.alpha"):
            Blend(alpha, KnnConfig(), 0.5, 1)
