"""A trained tower and head as a folder: tower.safetensors, head.safetensors, training.json (last).

`unprompt train head` writes this folder, and an encoder loads it. It holds the merged weights under
the library's names, and the head as matrices: features (n, d) -> relu(x @ weight_1 + bias_1) @
weight_2 + bias_2. A Q-Former head is stored under the names of `qformer.py`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_json, read_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings

TOWER, HEAD, DESCRIPTION = "tower.safetensors", "head.safetensors", "training.json"
FILES = (TOWER, HEAD, DESCRIPTION)


@dataclass(frozen=True, config=STRICT)
class TrainingResult:
    """The description of an export: its model, its training data and its validation cosine."""

    model: str
    pretrained: str | None
    image_size: int
    step: int
    validation_cosine: float | None  # none: not measured
    pairs: int  # renders it was trained on
    target_space: str
    trained_on: str | None = None  # digest of the corpus whose held-out prompts it has not seen


def read_result(folder: Path) -> TrainingResult:
    """Read the description of a finished export. Raises ConfigError if there is none."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no trained tower (no {DESCRIPTION}); run `unprompt train head` first"
        )
    return read_settings(TrainingResult, read_json(path), str(path))


def join_corpora(first: str | None, second: str | None) -> str | None:
    """The `trained_on` of a tower that was trained on two corpora, one after the other or mixed.

    None means no corpus of ours. With two different corpora, the tower may have seen the held-out
    prompts of either, so the result is the digest of neither.
    """
    known = sorted({digest for digest in (first, second) if digest is not None})
    if len(known) < 2:
        return known[0] if known else None
    return digest_json(known)


def read_head(folder: Path) -> dict[str, np.ndarray]:
    """Read the tensors of the head, float32. A linear head has no `weight_1`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(folder / HEAD)
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"{folder / HEAD} is broken: {error}; train it again") from error
    return {name: np.asarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def load_tower(trunk: Any, folder: Path) -> None:
    """Load the trained weights into a torch module. Raises DamagedFileError if they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        trunk.load_state_dict(load_file(folder / TOWER))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise DamagedFileError(
            f"{folder / TOWER} does not hold the weights of this tower: {error}. Train it again "
            "with `unprompt train head`, or name the tower that it was trained from"
        ) from error
