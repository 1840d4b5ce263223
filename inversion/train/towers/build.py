"""A tower's name -> the tower, loaded, with the pixels it takes."""

from typing import Any, NamedTuple

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.towers.clip import load_clip
from unprompt.index.towers.image_only import is_image_only
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.towers.blip2 import Blip2Tower
from unprompt.inversion.train.towers.clip_vit import ClipVitTower
from unprompt.inversion.train.towers.convnext import ConvNextTower
from unprompt.inversion.train.towers.efficientnet import EfficientNetTower
from unprompt.inversion.train.towers.timm_vit import TimmVitTower
from unprompt.inversion.train.towers.tower import Tower

FAMILIES: dict[str, type[Any]] = {
    "VisionTransformer": ClipVitTower,  # open_clip's; timm's has the same name, see `cut`
    "Blip2ImageSide": Blip2Tower,
    "Eva": TimmVitTower,
    "ConvNeXt": ConvNextTower,
    "EfficientNet": EfficientNetTower,
}


class LoadedTower(NamedTuple):
    """A tower and what belongs to it."""

    tower: Tower
    preprocess: Preprocess
    clip: Any = None  # the `unprompt.index.towers.clip.Clip` it is the image side of


def build_tower(config: TowerConfig) -> LoadedTower:
    """Load the tower that `config` names, on the CPU; raises ConfigError for an unknown one."""
    only = is_image_only(config.model)
    encoder = EncoderConfig(
        model=config.model,
        pretrained=config.pretrained,
        image_size=config.image_size,
        output="features" if only else "embedding",
    )
    clip = load_clip(encoder, "cpu")
    visual = clip.model.visual
    tower = cut(getattr(visual, "trunk", visual))
    return LoadedTower(tower, clip.preprocess, None if only else clip)


def cut(trunk: Any) -> Tower:
    """An image tower of open_clip, timm or BLIP-2 as stem, blocks and tail.

    Raises ConfigError for a family that is not known.
    """
    kind = type(trunk).__name__
    if kind == "VisionTransformer" and hasattr(trunk, "patch_embed"):
        return TimmVitTower(trunk)
    if kind not in FAMILIES:
        raise ConfigError(f"training knows the towers {', '.join(FAMILIES)}, got {kind}")
    return FAMILIES[kind](trunk)
