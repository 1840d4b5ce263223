"""Kernel regression: a hand-computable head, its files, and its fit."""

from pathlib import Path

import numpy as np
import pytest

from unprompt.index.base.errors import DamagedFileError
from unprompt.inversion.estimate.head import HeadDescription, load_head
from unprompt.inversion.estimate.kernel_head import KernelHead, KernelWeights, gaussian

DESCRIPTION = HeadDescription("kernel", "space", "target", 1.0, 10, 0.5)


def two_landmarks() -> KernelWeights:
    """Features (x, y, unused); landmarks at 0 and at 1 on the x axis, one answer each."""
    return KernelWeights(
        center=np.array([1.0, 0.0, 0.0], np.float32),
        projection=np.array([[1.0], [0.0], [0.0]], np.float32),
        landmarks=np.array([[0.0], [1.0]], np.float32),
        dual=np.array([[2.0, 0.0], [0.0, 4.0]], np.float32),
        bias=np.array([0.0, 1.0], np.float32),
    )


def test_a_prediction_is_what_paper_and_pencil_give() -> None:
    # x = 1 lies on the first landmark (kernel 1) and at distance 1 from the second (1/e)
    found = two_landmarks().predict(np.array([[1.0, 7.0, 7.0]]))
    np.testing.assert_allclose(found, [[2.0, 1.0 + 4.0 / np.e]], rtol=1e-6)


def test_far_from_all_landmarks_the_bias_remains() -> None:
    found = KernelHead(two_landmarks(), DESCRIPTION).predict(np.array([[100.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.0, 1.0]], atol=1e-6)


def test_the_kernel_is_one_on_the_diagonal_and_never_above() -> None:
    rows = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    kernel = gaussian(rows, rows)
    np.testing.assert_allclose(np.diag(kernel), 1.0, atol=1e-5)
    assert kernel.max() <= 1.0
    expected = np.exp(-((rows[3] - rows[7]) ** 2).sum())
    assert kernel[3, 7] == pytest.approx(expected, rel=1e-4)


def test_a_saved_head_predicts_the_same(tmp_path: Path) -> None:
    head = KernelHead(two_landmarks(), DESCRIPTION)
    head.save(tmp_path)
    features = np.random.default_rng(1).standard_normal((6, 3))
    loaded = load_head(tmp_path, "space")
    np.testing.assert_allclose(loaded.predict(features), head.predict(features), atol=0.01)
    assert loaded.description == DESCRIPTION


def test_a_head_without_one_of_its_tensors_is_damaged(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    KernelHead(two_landmarks(), DESCRIPTION).save(tmp_path)
    save_file({"center": np.zeros(3, np.float32)}, tmp_path / "head.safetensors")
    with pytest.raises(DamagedFileError, match="broken"):
        load_head(tmp_path, "space")
