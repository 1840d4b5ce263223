"""A trained tower and head as a folder: tower.safetensors, head.safetensors, training.json (last).

`unprompt train head` writes this folder, and an encoder loads it. It holds the merged weights under
the library's names, and the head as matrices: features (n, d) -> relu(x @ weight_1 + bias_1) @
weight_2 + bias_2. A Q-Former head is stored under the names of `qformer.py`.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import digest_json, read_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.tensors import load_tensors, load_torch_tensors, tensor_names
from unprompt.index.base.settings import STRICT, read_settings
from unprompt.index.towers.qformer import QUERIES

TAG = re.compile(r"[A-Za-z0-9_-]+")  # of published weights; no file
TOWER, HEAD, DESCRIPTION = "tower.safetensors", "head.safetensors", "training.json"


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


def check_start(result: TrainingResult, named: str | None) -> None:
    """Refuse to load the tower that a training started from by a name in its files.

    A folder, a file and a model of a hub must be `named` by the user too. The names that open_clip
    and timm register, and the tags of their weights, lead to published weights alone. Raises
    ConfigError.
    """
    registered = ":" not in result.model.removeprefix("timm:") and "/" not in result.model
    tagged = result.pretrained is None or TAG.fullmatch(result.pretrained)
    if not (registered and tagged) and named != result.model:
        raise ConfigError(
            f"this training started from {result.model} ({result.pretrained}), which its files "
            f"alone do not make trusted; if you know it, repeat the command with --tower "
            f"{result.model}"
        )


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
    """Read the tensors of the head, float32. A linear head has no `weight_1`.

    Raises DamagedFileError for other tensors, other ranks and numbers that are not finite.
    """
    path, remedy = folder / HEAD, "Train it again."
    names = tensor_names(path, remedy)
    if QUERIES in names:  # a Q-Former, whose shapes `load_qformer` checks
        tensors = {
            name: np.asarray(tensor.float().numpy(), dtype=np.float32)
            for name, tensor in load_torch_tensors(path, remedy).items()
        }
        if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
            raise DamagedFileError(f"{path} holds numbers that are not finite. {remedy}")
        return tensors
    hidden = {"weight_1": 2, "bias_1": 1} if "weight_1" in names else {}
    return load_tensors(path, {**hidden, "weight_2": 2, "bias_2": 1}, remedy)


def load_tower(trunk: Any, folder: Path) -> None:
    """Load the trained weights into a torch module. Raises DamagedFileError if they do not fit."""
    tensors = load_torch_tensors(folder / TOWER, "Train it again with `unprompt train head`.")
    try:
        trunk.load_state_dict(tensors)
    except RuntimeError as error:
        raise DamagedFileError(
            f"{folder / TOWER} does not hold the weights of this tower: {error}. Train it again "
            "with `unprompt train head`, or name the tower that it was trained from"
        ) from error
