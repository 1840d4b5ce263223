"""The files of a saved head: `config.json` describes it, `head.safetensors` has its weights."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import write_atomically, write_json
from unprompt.index.base.settings import STRICT, write_settings

CONFIG, WEIGHTS = "config.json", "head.safetensors"


@dataclass(frozen=True, config=STRICT)
class HeadDescription:
    """The description of a saved head."""

    kind: Literal["ridge", "trained", "encoder", "kernel"]
    space: str
    target_space: str
    penalty: float | None  # of ridge and kernel
    rows: int  # renders it was fitted on
    validation_cosine: float


def save_head(folder: Path, tensors: dict[str, np.ndarray], description: HeadDescription) -> None:
    """Write tensors, then the description, which marks them as complete."""
    from safetensors.numpy import save

    with write_atomically(folder / WEIGHTS) as temporary:
        # save_file of safetensors makes a file that only its owner can read
        temporary.write_bytes(save(tensors))
    write_json(folder / CONFIG, write_settings(description))
