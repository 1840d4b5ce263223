"""timm ViTs, EVA02 among them: features are the pooled tokens and statistics of four blocks.

The values equal those of `unprompt.index.towers.image_graph` for `encoder.output: features`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unprompt.index.towers.features import STAGES, channel_statistics
from unprompt.inversion.train.towers.stages import joined
from unprompt.inversion.train.towers.tower import State, Tower


class TimmVitTower(Tower):
    """State: tokens (n, t, c) and the statistics collected so far, if any."""

    def __init__(self, trunk: Any):
        super().__init__()
        self.trunk = trunk
        self.token_dim = trunk.embed_dim
        self._taps = range(max(0, len(trunk.blocks) - STAGES), len(trunk.blocks))
        self._channels = [trunk.embed_dim for _ in self._taps]
        self.dim = trunk.embed_dim + 2 * sum(self._channels)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first."""
        return list(self.trunk.blocks)

    @property
    def stem_modules(self) -> Sequence[nn.Module]:
        """The patch embedding and the norm before the blocks."""
        return [self.trunk.patch_embed, self.trunk.norm_pre]

    @property
    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Class and register tokens, positional embeddings."""
        names = ("cls_token", "reg_token", "pos_embed")
        found = (getattr(self.trunk, name, None) for name in names)
        return [parameter for parameter in found if parameter is not None]

    @property
    def tail_modules(self) -> Sequence[nn.Module]:
        """The last norms, and the pooling if it has weights."""
        pool = getattr(self.trunk, "attn_pool", None)
        return [self.trunk.norm, self.trunk.fc_norm, *([pool] if pool is not None else [])]

    @property
    def beside_tokens(self) -> Sequence[nn.Module | nn.Parameter]:
        """The pooling and the norm after it."""
        return [module for module in self.tail_modules if module is not self.trunk.norm]

    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels -> the first tokens."""
        trunk = self.trunk
        placed = trunk._pos_embed(trunk.patch_embed(pixels))
        tokens = placed[0] if isinstance(placed, tuple) else placed  # EVA returns its rotation too
        return (trunk.norm_pre(tokens),)

    def block(self, number: int, state: State) -> State:
        """Run one block. The last four add their statistics to the state."""
        rope = getattr(self.trunk, "rope", None)
        options = {} if rope is None else {"rope": rope.get_embed(self.trunk.patch_embed.grid_size)}
        tokens = self.blocks[number](state[0], **options)
        if number not in self._taps:
            return (tokens, *state[1:])
        patches = tokens[:, self.trunk.num_prefix_tokens :]
        statistics = channel_statistics(patches.transpose(1, 2).unsqueeze(-1))
        return (tokens, torch.cat([*state[1:], statistics], dim=1))

    def tail(self, state: State) -> Tensor:
        """The joined features (n, d)."""
        return joined(self.embed(state), state, self._channels)

    def embed(self, state: State) -> Tensor:
        """The pooled output (n, c)."""
        return self.trunk.forward_head(self.trunk.norm(state[0]), pre_logits=True)

    def lora_targets(self, number: int) -> Sequence[str]:
        """Every linear layer whose forward is called.

        An EVA with a query bias reads the weight of `attn.qkv` without calling the layer, so an
        adapter there would learn nothing.
        """
        block = self.blocks[number]
        attention = getattr(block, "attn", None)
        bypassed = {"attn.qkv"} if getattr(attention, "q_bias", None) is not None else set()
        return [
            f"blocks.{number}.{name}"
            for name, layer in block.named_modules()
            if isinstance(layer, nn.Linear) and name not in bypassed
        ]

    def resize(self, image_size: int) -> None:
        """Interpolate the positional embeddings to another input size."""
        self.trunk.set_input_size(img_size=(image_size, image_size))

    def tokens(self, state: State) -> Tensor:
        """The last tokens, normalized (n, t, c)."""
        return self.trunk.norm(state[0])
