"""Losses between predicted and true prompt vectors: (n, d), (n, d) -> scalar."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from unprompt.inversion.train.config import ObjectiveConfig

EDGE = 1e-6  # keeps the gradient of the angle finite for equal vectors


def cosine_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - cosine, averaged: the score of the competition."""
    return (1.0 - cosine_similarity(found, wanted, dim=-1)).mean()


def angular_distance(found: Tensor, wanted: Tensor) -> Tensor:
    """The angle over pi, averaged: from 0 to 1."""
    cosine = cosine_similarity(found, wanted, dim=-1).clamp(-1.0 + EDGE, 1.0 - EDGE)
    return (torch.acos(cosine) / torch.pi).mean()


def objective(config: ObjectiveConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss that `config` names."""
    if config.kind == "angular":
        return angular_distance
    if config.kind == "cosine":
        return cosine_distance

    def cosine_and_mse(found: Tensor, wanted: Tensor) -> Tensor:
        return cosine_distance(found, wanted) + config.mse_weight * mse_loss(found, wanted)

    return cosine_and_mse
