"""Features (n, D) -> the directions in which they vary most, and a regression along them.

The penalty of a regression is the same along orthonormal axes, so it only loses what the axes leave
out. A fit on 256 of 3,000 features takes a tenth of the time.
"""

import numpy as np

from unprompt.inversion.fit.logistic import Line


class PrincipalAxes:
    """Orthonormal axes of the first K features; further features stay as they are."""

    def __init__(self, basis: np.ndarray):
        self.basis = basis  # (K, r)

    def shorten(self, features: np.ndarray) -> np.ndarray:
        """Features (n, K + s) -> (n, r + s)."""
        own = len(self.basis)
        return np.concatenate([features[:, :own] @ self.basis, features[:, own:]], axis=1)

    def lengthen(self, line: Line) -> Line:
        """A regression on shortened features -> the same on features (K + s)."""
        axes = self.basis.shape[1]
        weights = np.concatenate([self.basis @ line.weights[:axes], line.weights[axes:]])
        return Line(weights, line.bias)


def find_axes(features: np.ndarray, most: int) -> PrincipalAxes:
    """The `most` principal axes of features (n, K); all features where they are no more."""
    count = features.shape[1]
    if count <= most:
        return PrincipalAxes(np.eye(count))
    from scipy.linalg import eigh

    centered = features - features.mean(axis=0)
    _, basis = eigh(centered.T @ centered, subset_by_index=(count - most, count - 1))
    return PrincipalAxes(basis)
