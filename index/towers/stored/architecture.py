"""The architecture of an image tower as numbers and known words, and the tower built of them.

A bundle for the runtime torch carries these numbers beside its weights. They name no file, no
folder and no model of a hub: what they can build are the towers of open_clip, the registered models
of timm, and the image side of BLIP-2.
"""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.settings import STRICT, write_settings
from unprompt.index.towers.blip2 import build_blip2, describe_blip2
from unprompt.index.towers.image_only import BLIP2, TIMM, is_image_only

Side = Annotated[int, Field(ge=1, le=2**14)]  # pixels, channels
Depth = Annotated[int, Field(ge=1, le=256)]  # layers
Ratio = Annotated[float, Field(gt=0, le=64)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9_]{0,64}$")]
TimmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,128}$")]


@dataclass(frozen=True, config=STRICT)
class VisionSettings:
    """open_clip's `vision_cfg`, without what it could load."""

    layers: Depth | tuple[Depth, Depth, Depth, Depth] = 12
    width: Side = 768
    head_width: Side = 64
    mlp_ratio: Ratio = 4.0
    patch_size: Side | None = 16
    image_size: Side = 224
    ls_init_value: float | None = None
    patch_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    attentional_pool: bool | Word = False
    attn_pooler_queries: Side = 256
    attn_pooler_heads: Side = 8
    no_ln_pre: bool = False
    pos_embed_type: Word = "learnable"
    final_ln_after_pool: bool = False
    pool_type: Word = "tok"
    output_tokens: bool = False
    act_kwargs: dict[Literal["approximate"], Literal["none", "tanh"]] | None = None
    norm_kwargs: dict[Literal["eps"], Annotated[float, Field(gt=0, lt=1)]] | None = None
    block_type: Word | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False
    timm_model_name: TimmName | None = None
    timm_model_pretrained: Literal[False] = False
    timm_pool: Word = "avg"
    timm_proj: Word | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: Annotated[float, Field(ge=0, lt=1)] = 0.0
    timm_drop_path: Annotated[float, Field(ge=0, lt=1)] | None = None


@dataclass(frozen=True, config=STRICT)
class OpenClipTower:
    """The image side of a CLIP of open_clip."""

    embed_dim: Side
    vision: VisionSettings
    quick_gelu: bool = False
    kind: Literal["open_clip"] = "open_clip"

    def build(self) -> Any:
        """The torch module, with new weights."""
        if self.vision.timm_model_name is not None:
            _check_registered(self.vision.timm_model_name)
        build = importlib.import_module("open_clip.model")._build_vision_tower
        return build(self.embed_dim, write_settings(self.vision), self.quick_gelu)


@dataclass(frozen=True, config=STRICT)
class TimmTower:
    """A registered model of timm, without its classifier."""

    name: TimmName
    image_size: Side
    kind: Literal["timm"] = "timm"

    def build(self) -> Any:
        """A torch module with the trunk, as `image_only.py` makes it."""
        _check_registered(self.name)
        torch, timm = importlib.import_module("torch"), importlib.import_module("timm")
        visual = torch.nn.Module()
        visual.trunk = timm.create_model(self.name, pretrained=False)
        visual.trunk.reset_classifier(0)
        if hasattr(visual.trunk, "set_input_size"):
            visual.trunk.set_input_size(img_size=(self.image_size, self.image_size))
        return visual


@dataclass(frozen=True, config=STRICT)
class Blip2ImageTower:
    """The image side of a BLIP-2: sizes of its vision tower and of its Q-Former."""

    queries: Side
    vision: dict[Word, int | float | bool | Word]
    qformer: dict[Word, int | float | bool | Word]
    kind: Literal["blip2"] = "blip2"

    def build(self) -> Any:
        """The torch module, with new weights."""
        return build_blip2(self.queries, self.vision, self.qformer)


Architecture = Annotated[OpenClipTower | TimmTower | Blip2ImageTower, Field(discriminator="kind")]


def describe_tower(
    model: str, visual: Any, model_config: Mapping[str, Any] | None, image_size: int
) -> OpenClipTower | TimmTower | Blip2ImageTower:
    """The architecture of the loaded tower `visual` of the model that a config names.

    Raises ConfigError for a tower that these numbers cannot describe.
    """
    try:
        if model.startswith(BLIP2):
            return Blip2ImageTower(*describe_blip2(visual))
        if is_image_only(model):
            return TimmTower(model.removeprefix(TIMM), image_size)
        config = dict(model_config or {})
        vision = dict(config["vision_cfg"]) | {"image_size": image_size}
        vision["timm_model_pretrained"] = False
        return OpenClipTower(
            config["embed_dim"], VisionSettings(**vision), bool(config.get("quick_gelu"))
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"the architecture of {model} cannot be stored for the runtime torch: {error}; set "
            "`encoder.runtime: openvino`"
        ) from error


def _check_registered(name: str) -> None:
    if not importlib.import_module("timm").is_model(name):
        raise DamagedFileError(
            f"timm has no registered model {name!r}, which this bundle's tower needs; install the "
            "version of timm that made it, or build the bundle again"
        )
