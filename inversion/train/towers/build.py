"""A tower's name -> the tower, loaded, with the pixels it takes."""

from typing import Any, NamedTuple

from unprompt.index.clip import load_clip
from unprompt.index.encoders import EncoderConfig
from unprompt.index.errors import ConfigError
from unprompt.index.preprocess import Preprocess
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.towers.efficientnet import EfficientNetTower
from unprompt.inversion.train.towers.tower import Tower


class LoadedTower(NamedTuple):
    """A tower and what belongs to it."""

    tower: Tower
    preprocess: Preprocess
    clip: Any = None  # the open_clip model it is the image side of


def build_tower(config: TowerConfig) -> LoadedTower:
    """Load the tower that `config` names, on the CPU; raises ConfigError for an unknown one."""
    encoder = EncoderConfig(
        model=config.model,
        pretrained=config.pretrained,
        image_size=config.image_size,
        output="embedding",
    )
    clip = load_clip(encoder, "cpu")
    visual = clip.model.visual
    return LoadedTower(_cut(getattr(visual, "trunk", visual)), clip.preprocess, clip.model)


def _cut(trunk: Any) -> Tower:
    kind = type(trunk).__name__
    if kind == "EfficientNet":
        return EfficientNetTower(trunk)
    raise ConfigError(f"no tower for {kind}")
