"""timm EfficientNets: features are the pooled last layer and channel statistics of four stages.

The values equal those of `unprompt.index.towers.image_graph` for `encoder.output: features`.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from unprompt.index.towers.features import STAGES
from unprompt.inversion.train.towers.stages import collect, joined
from unprompt.inversion.train.towers.tower import State, Tower


class EfficientNetTower(Tower):
    """State: activation (n, c, h, w) and the statistics collected so far, if any."""

    def __init__(self, trunk: nn.Module):
        super().__init__()
        self.trunk = trunk
        stages = list(trunk.blocks)
        self._names = [
            f"blocks.{stage}.{place}"
            for stage, blocks in enumerate(stages)
            for place in range(len(blocks))
        ]
        ends = [int(entry["module"].split(".")[1]) for entry in trunk.feature_info][-STAGES:]
        counts = [sum(len(blocks) for blocks in stages[: end + 1]) for end in ends]
        self._taps = {count - 1: entry["num_chs"] for count, entry in zip(
            counts, list(trunk.feature_info)[-STAGES:], strict=True
        )}  # fmt: skip
        self.token_dim = trunk.num_features
        self.dim = trunk.num_features + 2 * sum(self._taps.values())

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first."""
        return [block for stage in self.trunk.blocks for block in stage]

    @property
    def stem_modules(self) -> Sequence[nn.Module]:
        """The modules before the blocks."""
        return [self.trunk.conv_stem, self.trunk.bn1]

    @property
    def tail_modules(self) -> Sequence[nn.Module]:
        """The modules after the blocks."""
        return [self.trunk.conv_head, self.trunk.bn2]

    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels -> the first activation."""
        return (self.trunk.bn1(self.trunk.conv_stem(pixels)),)

    def block(self, number: int, state: State) -> State:
        """Run one block. The last block of a tapped stage adds its statistics to the state."""
        activation = self.blocks[number](state[0])
        if number not in self._taps:
            return (activation, *state[1:])
        return collect(activation, state)

    def tail(self, state: State) -> Tensor:
        """The joined features (n, d)."""
        return joined(self.embed(state), state, list(self._taps.values()))

    def embed(self, state: State) -> Tensor:
        """The pooled output (n, c)."""
        return self.trunk.global_pool(self._last(state))

    def lora_targets(self, number: int) -> Sequence[str]:
        """The pointwise convolutions."""
        return [
            f"{self._names[number]}.{name}"
            for name, layer in self.blocks[number].named_modules()
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
        ]

    def tokens(self, state: State) -> Tensor:
        """Positions of the last activation as tokens (n, h * w, c)."""
        return self._last(state).flatten(2).transpose(1, 2)

    def _last(self, state: State) -> Tensor:
        return self.trunk.bn2(self.trunk.conv_head(state[0]))
