"""A tower's name -> the tower, loaded, with the pixels it takes."""

from dataclasses import replace
from typing import Any, NamedTuple

from unprompt.index.clip import load_clip
from unprompt.index.encoders import EncoderConfig
from unprompt.index.errors import ConfigError
from unprompt.index.preprocess import Preprocess
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.towers.blip2 import Blip2Tower, load_blip2
from unprompt.inversion.train.towers.clip_vit import ClipVitTower
from unprompt.inversion.train.towers.convnext import ConvNextTower
from unprompt.inversion.train.towers.efficientnet import EfficientNetTower
from unprompt.inversion.train.towers.timm_vit import TimmVitTower
from unprompt.inversion.train.towers.tower import Tower

BLIP2 = "blip2:"
FAMILIES: dict[str, type[Any]] = {
    "VisionTransformer": ClipVitTower,  # open_clip's; timm's has the same name, see `cut`
    "Eva": TimmVitTower,
    "ConvNeXt": ConvNextTower,
    "EfficientNet": EfficientNetTower,
}


class LoadedTower(NamedTuple):
    """A tower and what belongs to it."""

    tower: Tower
    preprocess: Preprocess
    clip: Any = None  # the `unprompt.index.clip.Clip` it is the image side of


def build_tower(config: TowerConfig) -> LoadedTower:
    """Load the tower that `config` names, on the CPU; raises ConfigError for an unknown one."""
    if config.model.startswith(BLIP2):
        trunk, preprocess = load_blip2(config.model.removeprefix(BLIP2))
        tower = Blip2Tower(trunk)
        if config.image_size is not None:
            tower.resize(config.image_size)
            preprocess = replace(preprocess, image_size=config.image_size)
        return LoadedTower(tower, preprocess)
    encoder = EncoderConfig(
        model=config.model,
        pretrained=config.pretrained,
        image_size=config.image_size,
        output="embedding",
    )
    clip = load_clip(encoder, "cpu")
    visual = clip.model.visual
    return LoadedTower(cut(getattr(visual, "trunk", visual)), clip.preprocess, clip)


def cut(trunk: Any) -> Tower:
    """An image tower of open_clip or timm as stem, blocks and tail.

    Raises ConfigError for a family that is not known.
    """
    kind = type(trunk).__name__
    if kind == "VisionTransformer" and hasattr(trunk, "patch_embed"):
        return TimmVitTower(trunk)
    if kind not in FAMILIES:
        raise ConfigError(f"training knows the towers {', '.join(FAMILIES)} and BLIP-2, got {kind}")
    return FAMILIES[kind](trunk)
