"""The image side of BLIP-2, from transformers: pixels (n, 3, s, s) -> vectors (n, d).

It is the vision tower and the Q-Former without the language model (Li et al. 2023). The vector is
the mean of the Q-Former's query vectors.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.index.base.errors import ConfigError, DamagedFileError, MissingDependencyError
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.prompt_encoders.minilm import INSTALL
from unprompt.index.towers.open_clip_folder import refuse_code
from unprompt.index.towers.qformer import spread_queries

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP, which BLIP-2 uses
STD = (0.26862954, 0.26130258, 0.27577711)


def load_blip2(folder: str, image_size: int | None = None) -> tuple[Any, Preprocess]:
    """Load the image side of a full BLIP-2 model saved in `folder`, and its preprocessing.

    Raises ConfigError if the folder holds no BLIP-2, or if a tensor is missing: transformers would
    silently use random weights instead.
    """
    if not (Path(folder) / "config.json").is_file():
        raise ConfigError(f"{folder} is not a BLIP-2 checkpoint (no config.json)")
    refuse_code(Path(folder) / "config.json")
    kind = _image_side()
    try:
        with without_load_reports():  # the tensors of the language model are skipped on purpose
            trunk, report = kind.from_pretrained(
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
    if image_size is not None and image_size != size:
        resize_blip2(trunk, image_size)
    return trunk.float(), Preprocess(image_size or size, MEAN, STD, "bicubic", "squash")


VISION_NUMBERS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
    "patch_size", "hidden_act", "layer_norm_eps", "qkv_bias",
)  # fmt: skip
QFORMER_NUMBERS = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "hidden_act",
    "intermediate_size", "max_position_embeddings", "layer_norm_eps", "cross_attention_frequency",
    "encoder_hidden_size",
)  # fmt: skip


def describe_blip2(trunk: Any) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Queries and sizes of an image side, for `build_blip2`."""
    config = trunk.config
    return (
        int(config.num_query_tokens),
        {name: getattr(config.vision_config, name) for name in VISION_NUMBERS},
        {name: getattr(config.qformer_config, name) for name in QFORMER_NUMBERS},
    )


def build_blip2(queries: int, vision: Mapping[str, Any], qformer: Mapping[str, Any]) -> Any:
    """The image side of these sizes, with new weights; raises DamagedFileError for unknown names.

    Other settings of transformers could name code or a model of the hub.
    """
    from transformers import Blip2Config

    unknown = (set(vision) - set(VISION_NUMBERS)) | (set(qformer) - set(QFORMER_NUMBERS))
    if unknown:
        raise DamagedFileError(f"a stored BLIP-2 has no setting {min(unknown)!r}")
    config = Blip2Config(
        vision_config=dict(vision), qformer_config=dict(qformer), num_query_tokens=queries
    )
    return _image_side()(config).float()


def blank_blip2() -> Any:
    """The image side of the published BLIP-2 without weights, for torch's meta device."""
    from transformers import Blip2Config

    return _image_side()(Blip2Config())


def resize_blip2(trunk: Any, image_size: int) -> None:
    """Interpolate the positional embeddings to another input size."""
    from timm.layers import resample_abs_pos_embed
    from torch import nn

    own = trunk.vision_model.embeddings
    grid = image_size // own.patch_size
    old = own.position_embedding
    resized = resample_abs_pos_embed(old.data, new_size=[grid, grid], num_prefix_tokens=1)
    own.position_embedding = nn.Parameter(resized, requires_grad=old.requires_grad)
    own.image_size, own.num_patches, own.num_positions = image_size, grid**2, grid**2 + 1
    trunk.config.vision_config.image_size = image_size


def _image_side() -> Any:
    """The class of the image side, which loads checkpoints of the full model."""
    try:
        import torch
        from transformers import Blip2Config, Blip2QFormerModel, Blip2VisionModel
        from transformers.models.blip_2.modeling_blip_2 import Blip2PreTrainedModel
    except ImportError as error:
        raise MissingDependencyError(f"BLIP-2 needs transformers and torch: {INSTALL}") from error

    class Blip2ImageSide(Blip2PreTrainedModel):  # type: ignore[misc]
        """vision_model, qformer and query_tokens, named as in the full model."""

        def __init__(self, config: Blip2Config):
            super().__init__(config)
            config.qformer_config.use_qformer_text_input = (
                False  # these layers never process a picture
            )
            width = config.qformer_config.hidden_size
            self.vision_model = Blip2VisionModel._from_config(config.vision_config)
            self.query_tokens = torch.nn.Parameter(torch.zeros(1, config.num_query_tokens, width))
            self.qformer = Blip2QFormerModel._from_config(config.qformer_config)
            self.post_init()

        def queries(self, pixels: Any) -> Any:
            """Normalized pixels (n, 3, s, s) -> query vectors (n, q, d)."""
            tokens = self.vision_model.embeddings(pixels)
            for layer in self.vision_model.encoder.layers:
                tokens = layer(tokens)
            seen = self.vision_model.post_layernorm(tokens)
            found = self.qformer.layernorm(spread_queries(self.query_tokens, seen))
            count = self.config.num_query_tokens
            for layer in self.qformer.encoder.layer:
                found = layer(found, encoder_hidden_states=seen, query_length=count)
            return found

        def forward(self, pixels: Any) -> Any:
            """Normalized pixels (n, 3, s, s) -> the mean query vector (n, d)."""
            return self.queries(pixels).mean(1)

    return Blip2ImageSide
