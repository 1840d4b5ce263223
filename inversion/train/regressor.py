"""Tower and head as one network: pixels (n, s, s, 3) or cached states -> prompt vectors (n, d)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unprompt.index.preprocess import Preprocess
from unprompt.inversion.train.cache import LowerPart
from unprompt.inversion.train.layout import Layout, set_training_mode
from unprompt.inversion.train.towers.tower import Tower


class Regressor(nn.Module):
    """Predicts the prompt's vector; `forward` gives the loss, so that any trainer can drive it."""

    def __init__(
        self,
        tower: Tower,
        head: nn.Module,
        layout: Layout,
        preprocess: Preprocess,
        loss: Callable[[Tensor, Tensor], Tensor],
    ):
        super().__init__()
        self.lower = LowerPart(tower, preprocess, layout.boundary)
        self.head = head
        self.layout = layout
        self.head_only = False  # LP-FT: the tower is only read
        self._loss = loss

    @property
    def tower(self) -> Tower:
        """The tower, trained in part."""
        return self.lower.tower

    def predict(self, inputs: Sequence[Tensor]) -> Tensor:
        """One tensor of uint8 pixels, or the cached state below the boundary -> (n, d_prompt)."""
        fixed = self.head_only or not any(p.requires_grad for p in self.tower.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and not fixed):
            state = self._state(inputs)
            state = self.tower.climb(state, self.layout.boundary)
            tokens = getattr(self.head, "takes_tokens", False)
            features = self.tower.tokens(state) if tokens else self.tower.tail(state)
        return self.head(features)

    def forward(self, inputs: Sequence[Tensor], targets: Tensor) -> Tensor:
        """The mean loss of a batch."""
        return self._loss(self.predict(inputs).float(), targets)

    def train(self, mode: bool = True) -> "Regressor":
        """Training mode for what learns; frozen blocks keep their statistics."""
        super().train(mode)
        if mode:
            set_training_mode(self.tower, self.layout)
            if self.head_only:
                self.tower.eval()
        return self

    def _state(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
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
