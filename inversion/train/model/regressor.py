"""Tower and head as one network: pixels (n, s, s, 3) or cached states -> prompt vectors (n, d)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from unprompt.index.encoders.preprocess import Preprocess
from unprompt.inversion.train.data.cache import LowerPart
from unprompt.inversion.train.model.layout import Layout
from unprompt.inversion.train.model.module import PairModule
from unprompt.inversion.train.towers.tower import Tower


class Regressor(PairModule):
    """Predicts the prompt vector. `forward` returns the loss, so any trainer can run it."""

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
        self.head_only = False  # LP-FT: the tower does not learn
        self._loss = loss

    def predict(self, inputs: Sequence[Tensor]) -> Tensor:
        """One tensor of uint8 pixels, or the cached state below the boundary -> (n, d_prompt)."""
        fixed = self.head_only or not any(p.requires_grad for p in self.tower.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and not fixed):
            state = self.state(inputs)
            state = self.tower.climb(state, self.layout.boundary)
            taken = self.tower.tokens if self.head.takes_tokens else self.tower.tail
            features = taken(state)
        return self.head(features)

    def score(self, found: Tensor, targets: Tensor) -> float:
        """The mean cosine, the score of the competition."""
        return float(cosine_similarity(found, targets, dim=-1).mean())

    def forward(self, inputs: Sequence[Tensor], targets: Tensor) -> Tensor:
        """The mean loss of a batch."""
        return self._loss(self.predict(inputs).float(), targets)
