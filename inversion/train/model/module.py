"""What is trained: a tower in its layout, and a head; pictures or cached states in, loss out."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unprompt.inversion.train.data.cache import LowerPart
from unprompt.inversion.train.model.layout import Layout, set_training_mode
from unprompt.inversion.train.towers.tower import State, Tower


class PairModule(nn.Module):
    """A network over pictures whose forward gives the loss: a tower, laid out, and its head."""

    lower: LowerPart
    head: nn.Module
    layout: Layout
    head_only: bool  # LP-FT: the tower is only read

    @property
    def tower(self) -> Tower:
        """The tower, trained in part."""
        return self.lower.tower

    def predict(self, inputs: Sequence[Tensor]) -> Tensor:
        """Pixels or cached states -> vectors (n, d)."""
        raise NotImplementedError

    def score(self, found: Tensor, targets: Tensor) -> float:
        """How good predictions (n, d) are; the checkpoint with the highest score is kept."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> "PairModule":
        """Training mode for what learns; frozen blocks keep their statistics."""
        super().train(mode)
        if mode:
            set_training_mode(self.tower, self.layout)
            if self.head_only:
                self.tower.eval()
        return self

    def state(self, inputs: Sequence[Tensor]) -> State:
        """What enters the trained blocks: cached, or what the frozen part makes of pixels."""
        if inputs[0].dtype != torch.uint8:
            # fp16 on disk; a CNN runs fastest with its channels last
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
