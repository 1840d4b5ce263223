"""Shared by towers with tapped stages: the state carries the statistics of the last stages."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unprompt.index.towers.features import channel_statistics, join_features
from unprompt.inversion.train.towers.tower import State


def collect(activation: Tensor, state: State) -> State:
    """Add the statistics of an activation (n, c, h, w) to those in `state[1:]`."""
    return (activation, torch.cat([*state[1:], channel_statistics(activation)], dim=1))


def joined(pooled: Tensor, state: State, channels: Sequence[int]) -> Tensor:
    """Join pooled output and collected statistics, `channels` per tap, to features (n, d)."""
    widths = [width for width in channels for _ in range(2)]
    return join_features([pooled, *state[1].split(widths, dim=1)])
