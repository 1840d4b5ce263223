"""BLIP-2's image side: vision tower and Q-Former without the language model (Li et al. 2023).

Features are the mean of the Q-Former's query vectors, at unit length. The one file that takes
BLIP-2 from transformers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from unprompt.index.errors import ConfigError
from unprompt.index.preprocess import Preprocess
from unprompt.index.quiet import without_load_reports
from unprompt.inversion.train.towers.tower import State, Tower

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP, as BLIP-2 takes them
STD = (0.26862954, 0.26130258, 0.27577711)


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
        """Normalised pixels -> the first tokens."""
        return (self.trunk.vision_model.embeddings(pixels),)

    def block(self, number: int, state: State) -> State:
        """One layer; the first of the Q-Former brings in the queries."""
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
        """The mean query as it comes (n, d)."""
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
        from timm.layers import resample_abs_pos_embed

        own = self.trunk.vision_model.embeddings
        grid = image_size // own.patch_size
        old = own.position_embedding
        resized = resample_abs_pos_embed(old.data, new_size=[grid, grid], num_prefix_tokens=1)
        own.position_embedding = nn.Parameter(resized, requires_grad=old.requires_grad)
        own.image_size, own.num_patches, own.num_positions = image_size, grid**2, grid**2 + 1
        self.trunk.config.vision_config.image_size = image_size

    def tokens(self, state: State) -> Tensor:
        """The Q-Former's query vectors (n, q, d)."""
        return state[0]

    def _queries(self, tokens: Tensor) -> State:
        seen = self.trunk.vision_model.post_layernorm(tokens)
        queries = self.trunk.query_tokens.expand(len(tokens), -1, -1)
        return (self.trunk.qformer.layernorm(queries), seen)


def image_side() -> Any:
    """The class of BLIP-2's image side, which reads checkpoints of the full model."""
    import torch
    from transformers import Blip2Config, Blip2QFormerModel, Blip2VisionModel
    from transformers.models.blip_2.modeling_blip_2 import Blip2PreTrainedModel

    class Blip2ImageSide(Blip2PreTrainedModel):  # type: ignore[misc]
        """vision_model, qformer and query_tokens under the names of the full model."""

        def __init__(self, config: Blip2Config):
            super().__init__(config)
            width = config.qformer_config.hidden_size
            self.vision_model = Blip2VisionModel._from_config(config.vision_config)
            self.query_tokens = nn.Parameter(torch.zeros(1, config.num_query_tokens, width))
            self.qformer = Blip2QFormerModel._from_config(config.qformer_config)
            self.post_init()

    return Blip2ImageSide


def load_blip2(folder: str) -> tuple[Any, Preprocess]:
    """The image side of a BLIP-2 saved in `folder` in the full model's format, and its pixels.

    Raises ConfigError where the folder is none or a tensor is missing: such a model would start
    from random weights without a word.
    """
    if not (Path(folder) / "config.json").is_file():
        raise ConfigError(f"{folder} is no BLIP-2 checkpoint (no config.json)")
    try:
        with without_load_reports():  # the language model's tensors are left out on purpose
            trunk, report = image_side().from_pretrained(
                folder, output_loading_info=True, local_files_only=True
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot load the BLIP-2 checkpoint {folder}: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ConfigError(
            f"the BLIP-2 checkpoint {folder} lacks {len(missing)} tensors of vision tower and "
            f"Q-Former, {missing[0]} first; name a folder saved from the full model"
        )
    size = trunk.config.vision_config.image_size
    return trunk.float(), Preprocess(size, MEAN, STD, "bicubic", "squash")
