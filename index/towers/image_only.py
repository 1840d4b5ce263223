"""Image towers without a text side: `blip2:FOLDER`, `timm:NAME` -> a model and preprocessing."""

import importlib
from typing import Any

from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.towers.blip2 import load_blip2
from unprompt.index.towers.timm_trunk import load_timm

BLIP2, TIMM = "blip2:", "timm:"


def is_image_only(model: str) -> bool:
    """Whether a model name means an image tower without a text side."""
    return model.startswith((BLIP2, TIMM))


def build_image_only(config: EncoderConfig) -> tuple[Any, Preprocess]:
    """A torch module with the tower in `visual`, as in a CLIP, and its preprocessing.

    Raises ConfigError if the tower cannot be loaded, or if the output needs a text side.
    """
    if config.output == "embedding":
        raise ConfigError(
            f"{config.model} has no text side and so no joint space; set `encoder.output: features`"
        )
    torch = importlib.import_module("torch")
    model = torch.nn.Module()
    if config.model.startswith(BLIP2):
        folder = config.model.removeprefix(BLIP2)
        model.visual, preprocess = load_blip2(folder, config.image_size)
    else:
        name = config.model.removeprefix(TIMM)
        model.visual = torch.nn.Module()
        model.visual.trunk, preprocess = load_timm(name, config.pretrained, config.image_size)
    return model, preprocess
