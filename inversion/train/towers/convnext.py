"""timm ConvNeXts: features are the pooled last layer and channel statistics of four stages.

The values equal those of `unprompt.index.towers.image_graph` for `encoder.output: features`.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from unprompt.inversion.train.towers.stages import collect, joined
from unprompt.inversion.train.towers.tower import State, Tower


class ConvNextTower(Tower):
    """State: activation (n, c, h, w) and the statistics collected so far, if any."""

    def __init__(self, trunk: Any):
        super().__init__()
        self.trunk = trunk
        self._places = [
            (stage, place)
            for stage, entry in enumerate(trunk.stages)
            for place in range(len(entry.blocks))
        ]
        self._channels = [entry["num_chs"] for entry in trunk.feature_info]
        self.token_dim = trunk.num_features
        self.dim = trunk.num_features + 2 * sum(self._channels)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first. The first of a stage includes the downsampling."""
        stages = self.trunk.stages
        return [
            nn.Sequential(stages[stage].downsample, stages[stage].blocks[0])
            if place == 0
            else stages[stage].blocks[place]
            for stage, place in self._places
        ]

    @property
    def stem_modules(self) -> Sequence[nn.Module]:
        """The modules before the blocks."""
        return [self.trunk.stem]

    @property
    def tail_modules(self) -> Sequence[nn.Module]:
        """The modules after the blocks."""
        head = self.trunk.head
        return [self.trunk.norm_pre, head.norm, getattr(head, "pre_logits", nn.Identity())]

    @property
    def beside_tokens(self) -> Sequence[nn.Module | nn.Parameter]:
        """The modules after the pooling."""
        return [module for module in self.tail_modules if module is not self.trunk.norm_pre]

    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels -> the first activation."""
        return (self.trunk.stem(pixels),)

    def block(self, number: int, state: State) -> State:
        """Run one block. The last block of a stage adds its statistics to the state."""
        stage, place = self._places[number]
        entry = self.trunk.stages[stage]
        activation = entry.downsample(state[0]) if place == 0 else state[0]
        activation = entry.blocks[place](activation)
        if place < len(entry.blocks) - 1:
            return (activation, *state[1:])
        return collect(activation, state)

    def tail(self, state: State) -> Tensor:
        """The joined features (n, d)."""
        return joined(self.embed(state), state, self._channels)

    def embed(self, state: State) -> Tensor:
        """The pooled output (n, c)."""
        return self.trunk.forward_head(self.trunk.norm_pre(state[0]), pre_logits=True)

    def lora_targets(self, number: int) -> Sequence[str]:
        """Both layers of the block's MLP."""
        stage, place = self._places[number]
        return [f"stages.{stage}.blocks.{place}.mlp.{name}" for name in ("fc1", "fc2")]

    def tokens(self, state: State) -> Tensor:
        """Positions of the last activation as tokens (n, h * w, c)."""
        return self.trunk.norm_pre(state[0]).flatten(2).transpose(1, 2)
