"""The name of a timm model -> its trunk and its preprocessing."""

from pathlib import Path
from typing import Any

import numpy as np

from unprompt.index.base.errors import ConfigError, MissingDependencyError
from unprompt.index.encoders.preprocess import RESAMPLING, Preprocess
from unprompt.index.prompt_encoders.minilm import INSTALL


def load_timm(
    name: str, weights: str | None = None, image_size: int | None = None
) -> tuple[Any, Preprocess]:
    """The trunk of a timm model, without its classifier.

    `weights` is a checkpoint file in timm's format. Without it, timm downloads the published
    weights. Raises ConfigError if the weights are not available or do not fit.
    """
    try:
        import timm
        from timm.data import resolve_model_data_config
    except ImportError as error:
        raise MissingDependencyError(f"timm:{name} needs timm: {INSTALL}") from error
    if not timm.is_model(name):
        raise ConfigError(f"timm has no model {name!r}; see timm.list_models()")
    try:
        trunk = timm.create_model(name, pretrained=weights is None)
        trunk.reset_classifier(0)
        if weights is not None:
            _load_weights(trunk, weights)
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(
            f"cannot load timm:{name} ({weights or 'published weights'}): {error}. Without a "
            "network, name a checkpoint file in `pretrained`"
        ) from error
    pixels = resolve_model_data_config(trunk)
    size = int(np.max(pixels["input_size"][1:]))
    if image_size is not None and image_size != size and hasattr(trunk, "set_input_size"):
        trunk.set_input_size(img_size=(image_size, image_size))
    kind = pixels["interpolation"]
    return trunk, Preprocess(
        image_size=image_size or size,
        mean=tuple(pixels["mean"]),
        std=tuple(pixels["std"]),
        interpolation=kind if kind in RESAMPLING else "bicubic",
    )


def _load_weights(trunk: Any, weights: str) -> None:
    """Load the tensors of a checkpoint into the trunk, without the classifier."""
    from timm.models import load_state_dict

    if not Path(weights).is_file():
        raise ConfigError(f"no checkpoint file {weights}")
    names = np.atleast_1d(trunk.pretrained_cfg.get("classifier") or ())
    classifier = tuple(f"{name}." for name in names)
    tensors = load_state_dict(weights)
    trunk.load_state_dict({n: t for n, t in tensors.items() if not n.startswith(classifier)})
