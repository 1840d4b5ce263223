"""Ridge regression in closed form: features (n, d_image), targets (n, d_prompt) -> a head.

Rows come in blocks. Only sums over them are kept, d_image * (d_image + d_prompt) numbers, whatever
the number of rows.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.inversion.estimate.blend import mean_cosine
from unprompt.inversion.estimate.head import HeadDescription, LinearHead

Block = tuple[np.ndarray, np.ndarray]  # features (m, d_image) and targets (m, d_prompt)


class RidgeProblem:
    """The part of the solution that all penalties share."""

    def __init__(self, blocks: Iterable[Block]):
        """Read all blocks once; raises ConfigError where there is no row.

        Sums are float64 and relative to the means of the first block, so that they lose no digits.
        """
        self.rows = 0
        for features, targets in blocks:
            wide = [np.asarray(part, dtype=np.float64) for part in (features, targets)]
            if not self.rows:
                origins = [part.mean(axis=0) for part in wide]
                dims = [len(origin) for origin in origins]
                sums = [np.zeros(dim) for dim in dims]
                gram, cross = np.zeros((dims[0], dims[0])), np.zeros((dims[0], dims[1]))
            left, right = (part - origin for part, origin in zip(wide, origins, strict=True))
            self.rows += len(left)
            sums[0] += left.sum(axis=0)
            sums[1] += right.sum(axis=0)
            gram += left.T @ left
            cross += left.T @ right
        if not self.rows:
            raise ConfigError("a ridge regression needs at least one row, got none")
        offsets = [total / self.rows for total in sums]
        self._feature_mean, self._target_mean = (
            origin + offset for origin, offset in zip(origins, offsets, strict=True)
        )
        covariance = gram / self.rows - np.outer(offsets[0], offsets[0])
        self._values, self._basis = np.linalg.eigh(covariance)
        self._cross = self._basis.T @ (cross / self.rows - np.outer(offsets[0], offsets[1]))

    def solve(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weight (d_image, d_prompt) and bias (d_prompt,) float32 for one relative penalty."""
        ridge = penalty * self._values.mean()
        weight = self._basis @ (self._cross / (self._values + ridge)[:, None])
        bias = self._target_mean - self._feature_mean @ weight
        return weight.astype(np.float32), bias.astype(np.float32)


def fit_ridge(
    train: Iterable[Block],
    validation: Block,
    spaces: tuple[str, str],
    penalties: Sequence[float],
    weights: np.ndarray | None = None,
) -> LinearHead:
    """Fit on the blocks of `train`; choose the penalty with the best validation cosine.

    `spaces` are the spaces of the image encoder and the prompt encoder. `weights` (q,) with the sum
    1 weigh the validation rows; by default all count the same.
    """
    if not penalties:
        raise ConfigError("fit_ridge needs at least one penalty, got none; set fit.head.penalties")
    problem = RidgeProblem(train)
    features, truth = (np.asarray(part, dtype=np.float32) for part in validation)
    heads = []
    for penalty in penalties:
        weight, bias = problem.solve(penalty)
        cosine = mean_cosine(to_unit_length(features @ weight + bias), truth, weights)
        description = HeadDescription("ridge", *spaces, penalty, problem.rows, cosine)
        heads.append(LinearHead(weight, bias, description))
    return max(heads, key=lambda head: head.description.validation_cosine)
