"""A trained tower and head as a folder: tower.safetensors, head.safetensors, training.json (last).

`unprompt train head` writes it, an encoder loads it: merged weights under the library's own names,
and the head as matrices: features (n, d) -> relu(x @ weight_1 + bias_1) @ weight_2 + bias_2.
"""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.durable import read_json
from unprompt.index.errors import ConfigError, DamagedFileError
from unprompt.index.settings import STRICT, read_settings

TOWER, HEAD, DESCRIPTION = "tower.safetensors", "head.safetensors", "training.json"
FILES = (TOWER, HEAD, DESCRIPTION)


@dataclass(frozen=True, config=STRICT)
class TrainingResult:
    """What an export holds, what it learned from, and how good it was when it was kept."""

    model: str
    pretrained: str | None
    image_size: int
    step: int
    validation_cosine: float | None  # none: not measured
    pairs: int  # renders it learned from
    target_space: str


def read_result(folder: Path) -> TrainingResult:
    """The description of a finished export; raises ConfigError where there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no trained tower (no {DESCRIPTION}); run `unprompt train head` first"
        )
    return read_settings(TrainingResult, read_json(path), str(path))


def read_head(folder: Path) -> dict[str, np.ndarray]:
    """The head's matrices, float32; `weight_1` is absent from a linear head."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(folder / HEAD)
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"{folder / HEAD} is broken: {error}; train it again") from error
    return {name: np.asarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def load_tower(trunk: Any, folder: Path) -> None:
    """Put the trained weights into a torch module; raises DamagedFileError if they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        trunk.load_state_dict(load_file(folder / TOWER))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise DamagedFileError(
            f"{folder / TOWER} does not hold the weights of this tower: {error}. Train it again "
            "with `unprompt train head`, or name the tower that it was trained from"
        ) from error
