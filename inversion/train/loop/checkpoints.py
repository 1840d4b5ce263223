"""Checkpoints of a run: checkpoints/step_00000200/{weights,average}.safetensors, optimizer.pt.

A checkpoint holds only trained tensors. `state.json` is written last; a folder without it is
ignored.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError, DamagedFileError
from unprompt.index.base.safe.tensors import load_torch_tensors

KEPT = 2
NAME = re.compile(r"step_(\d{8})")
WEIGHTS, AVERAGE, OPTIMIZER, STATE = (
    "weights.safetensors", "average.safetensors", "optimizer.pt", "state.json",
)  # fmt: skip
BEST = "best"


@dataclass(frozen=True)
class Progressed:
    """The progress of a run."""

    step: int  # optimizer steps done
    best_cosine: float | None = None
    best_step: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to resume exactly."""

    progressed: Progressed
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor] | None
    optimizer: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, and delete all but the last `KEPT`."""
    place = folder / f"step_{checkpoint.progressed.step:08d}"
    (place / STATE).unlink(missing_ok=True)
    save_weights(place / WEIGHTS, checkpoint.weights)
    if checkpoint.average is not None:
        save_weights(place / AVERAGE, checkpoint.average)
    with write_atomically(place / OPTIMIZER) as temporary:
        torch.save(dict(checkpoint.optimizer), temporary)
    write_json(place / STATE, asdict(checkpoint.progressed))
    for old in list_checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def list_checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    return sorted(path for path in found if (path / STATE).is_file())


def choose_checkpoint(folder: Path, resume: str) -> Path | None:
    """Find the checkpoint that `resume` names: `latest`, `none`, or a folder.

    `latest` means a fresh start if there is no checkpoint. Raises ConfigError for a folder that is
    not a checkpoint.
    """
    if resume == "none":
        return None
    if resume == "latest":
        found = list_checkpoints(folder)
        return found[-1] if found else None
    path = Path(resume)
    if not (path / STATE).is_file():
        raise ConfigError(f"{path} is not a checkpoint (no {STATE}); use --resume latest or none")
    return path


def load_checkpoint(place: Path) -> Checkpoint:
    """Read a checkpoint. Raises DamagedFileError if a part is broken."""
    progressed = _progressed(place)
    average = place / AVERAGE
    try:
        optimizer = torch.load(place / OPTIMIZER, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises any error of its unpickler
        raise DamagedFileError(
            f"{place / OPTIMIZER} is broken: {error}; delete {place}: the next run "
            "uses an older checkpoint"
        ) from error
    return Checkpoint(
        progressed,
        load_weights(place / WEIGHTS),
        load_weights(average) if average.is_file() else None,
        optimizer,
    )


def _progressed(place: Path) -> Progressed:
    path = place / STATE
    try:
        return Progressed(**read_json(path))
    except TypeError as error:
        raise DamagedFileError(
            f"{path} does not say how far a run is; delete {place}: the next run uses an older "
            "checkpoint"
        ) from error


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with write_atomically(path) as temporary:
        # save_file of safetensors makes a file that only its owner can read
        temporary.write_bytes(save(plain))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises DamagedFileError if it is missing or broken."""
    return load_torch_tensors(path, "Delete its folder: the next run uses an older checkpoint.")
