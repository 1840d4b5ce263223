"""The trained network: a tower in its layout and a head. Pictures or cached states -> loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unprompt.inversion.train.data.cache import LowerPart
from unprompt.inversion.train.model.layout import Layout, set_training_mode
from unprompt.inversion.train.towers.tower import State, Tower


class PairModule(nn.Module):
    """A network whose forward returns the loss: a tower with its layout, and a head."""

    lower: LowerPart
    head: nn.Module
    layout: Layout
    head_only: bool  # LP-FT: the tower does not learn

    @property
    def tower(self) -> Tower:
        """The partly trained tower."""
        return self.lower.tower

    def predict(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pixels or cached states -> vectors (n, d)."""
        raise NotImplementedError

    def score(self, found: Tensor, targets: Tensor) -> float:
        """The score of predictions (n, d). Training keeps the checkpoint with the highest score."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "PairModule":
        """Set training mode for the trained parts; frozen blocks keep their statistics."""
        super().train(mode)
        if mode:
            set_training_mode(self.tower, self.layout)
            if self.head_only:
                self.tower.eval()
        return self

    def state(self, inputs: Sequence[Tensor]) -> State:
        """The input of the trained blocks: cached, or computed from pixels by the frozen part."""
        if inputs[0].dtype != torch.uint8:
            # fp16 on disk; a CNN runs fastest in channels-last order
            return tuple(
                state.float().contiguous(memory_format=torch.channels_last)
                if state.ndim == 4
                else state.float()
                for state in inputs
            )
        if self.layout.boundary == 0:
            return self.lower(inputs[0])
        with torch.no_grad():
            return self.lower(inputs[0])
