"""BLIP-2's image side: vision tower and Q-Former without the language model (Li et al. 2023).

Features are the mean of the Q-Former's query vectors, at unit length. The values equal those of
`unprompt.index.towers.blip2`.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from unprompt.index.towers.blip2 import resize_blip2
from unprompt.index.towers.qformer import spread_queries
from unprompt.inversion.train.towers.tower import State, Tower


class Blip2Tower(Tower):
    """State: vision tokens (n, t, c); in the Q-Former's layers, queries (n, q, d) and tokens."""

    def __init__(self, trunk: Any):
        super().__init__()
        self.trunk = trunk
        self._vision = len(trunk.vision_model.encoder.layers)
        self.dim = self.token_dim = trunk.query_tokens.shape[-1]

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Layers of the vision tower, then of the Q-Former, bottom first."""
        vision, qformer = self.trunk.vision_model, self.trunk.qformer
        return [*vision.encoder.layers, *qformer.encoder.layer]

    @property
    def stem_modules(self) -> Sequence[nn.Module]:
        """The patch embedding."""
        return [self.trunk.vision_model.embeddings]

    @property
    def tail_modules(self) -> Sequence[nn.Module]:
        """The norms between tower and Q-Former."""
        return [self.trunk.vision_model.post_layernorm, self.trunk.qformer.layernorm]

    @property
    def tail_parameters(self) -> Sequence[nn.Parameter]:
        """The query tokens."""
        return [self.trunk.query_tokens]

    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels -> the first tokens."""
        return (self.trunk.vision_model.embeddings(pixels),)

    def block(self, number: int, state: State) -> State:
        """Run one layer. The first layer of the Q-Former adds the queries."""
        layer = self.blocks[number]
        if number < self._vision:
            return (layer(state[0]),)
        if number == self._vision:
            state = self._queries(state[0])
        queries, seen = state
        found = layer(queries, encoder_hidden_states=seen, query_length=queries.shape[1])
        return (found, seen)

    def tail(self, state: State) -> Tensor:
        """The mean query (n, d)."""
        return normalize(self.embed(state), dim=-1)

    def embed(self, state: State) -> Tensor:
        """The mean query (n, d), not scaled to unit length."""
        return state[0].mean(1)

    def lora_targets(self, number: int) -> Sequence[str]:
        """Every linear layer."""
        if number < self._vision:
            place = f"vision_model.encoder.layers.{number}"
        else:
            place = f"qformer.encoder.layer.{number - self._vision}"
        return [
            f"{place}.{name}"
            for name, layer in self.blocks[number].named_modules()
            if isinstance(layer, nn.Linear) and not name.startswith(("intermediate.", "output."))
        ]

    def resize(self, image_size: int) -> None:
        """Interpolate the positional embeddings to another input size."""
        resize_blip2(self.trunk, image_size)

    def tokens(self, state: State) -> Tensor:
        """The Q-Former's query vectors (n, q, d)."""
        return state[0]

    def _queries(self, tokens: Tensor) -> State:
        seen = self.trunk.vision_model.post_layernorm(tokens)
        queries = spread_queries(self.trunk.query_tokens, seen)
        return (self.trunk.qformer.layernorm(queries), seen)
