"""open_clip's own VisionTransformer: features are the CLIP's joint image vector, at unit length."""

from collections.abc import Sequence
from typing import Any

from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn
from torch.nn.functional import normalize

from unprompt.inversion.train.towers.tower import State, Tower


class ClipVitTower(Tower):
    """State: tokens (n, t, c)."""

    def __init__(self, trunk: Any):
        super().__init__()
        self.trunk = trunk
        # with pooling by attention the norm follows the pooling: there are no normalized tokens
        self.token_dim = trunk.conv1.out_channels if trunk.attn_pool is None else None
        self.dim = trunk.proj.shape[1]

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The repeated units, bottom first."""
        return list(self.trunk.transformer.resblocks)

    @property
    def stem_modules(self) -> Sequence[nn.Module]:
        """Patch embedding and the first norm."""
        return [self.trunk.conv1, self.trunk.ln_pre]

    @property
    def stem_parameters(self) -> Sequence[nn.Parameter]:
        """Class token and positional embeddings."""
        return [self.trunk.class_embedding, self.trunk.positional_embedding]

    @property
    def tail_modules(self) -> Sequence[nn.Module]:
        """The last norm, and the pooling if it has weights."""
        pool = self.trunk.attn_pool
        return [self.trunk.ln_post, *([pool] if pool is not None else [])]

    @property
    def tail_parameters(self) -> Sequence[nn.Parameter]:
        """The projection into the joint space."""
        return [self.trunk.proj]

    @property
    def beside_tokens(self) -> Sequence[nn.Module | nn.Parameter]:
        """The projection."""
        return self.tail_parameters

    def stem(self, pixels: Tensor) -> State:
        """Normalized pixels -> the first tokens."""
        return (self.trunk._embeds(pixels),)

    def block(self, number: int, state: State) -> State:
        """One block."""
        return (self.blocks[number](state[0]),)

    def tail(self, state: State) -> Tensor:
        """The joint image vector (n, d)."""
        return normalize(self.embed(state), dim=-1)

    def embed(self, state: State) -> Tensor:
        """The joint image vector (n, d), not scaled to unit length."""
        pooled, _ = self.trunk._pool(state[0])
        return pooled @ self.trunk.proj

    def lora_targets(self, number: int) -> Sequence[str]:
        """The whole attention and both layers of the MLP.

        torch's attention reads the weight of `out_proj` without calling the layer, so an adapter on
        that layer alone would learn nothing.
        """
        place = f"transformer.resblocks.{number}"
        if isinstance(self.blocks[number].attn, nn.MultiheadAttention):
            return [f"{place}.attn", f"{place}.mlp.c_fc", f"{place}.mlp.c_proj"]
        return [f"{place}.attn.out_proj", f"{place}.mlp.c_fc", f"{place}.mlp.c_proj"]

    def resize(self, image_size: int) -> None:
        """Interpolate the positional embeddings to another input size."""
        trunk = self.trunk
        patch = trunk.patch_size[0]
        grid = (image_size // patch, image_size // patch)
        old = trunk.positional_embedding
        resized = resample_abs_pos_embed(
            old.data[None], new_size=grid, old_size=trunk.grid_size, num_prefix_tokens=1
        )[0]
        trunk.positional_embedding = nn.Parameter(resized, requires_grad=old.requires_grad)
        trunk.grid_size, trunk.image_size = grid, (image_size, image_size)

    def tokens(self, state: State) -> Tensor:
        """The last tokens, normalized (n, t, c)."""
        return self.trunk.ln_post(state[0])
