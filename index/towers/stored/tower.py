"""A loaded tower <-> `tower.safetensors` and an architecture, from which torch runs it again."""

import importlib
from pathlib import Path
from typing import Any

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.quiet import without_load_reports
from unprompt.index.base.safe.tensors import load_torch_tensors
from unprompt.index.encoders.preprocess import Preprocess
from unprompt.index.encoders.protocols import EncoderConfig
from unprompt.index.towers.clip import Clip, choose_device
from unprompt.index.towers.stored.architecture import (
    Blip2ImageTower,
    OpenClipTower,
    TimmTower,
    describe_tower,
)
from unprompt.index.towers.trained_tower import HEAD, TOWER, read_head

Stored = OpenClipTower | TimmTower | Blip2ImageTower
REMEDY = "Build the bundle again with `unprompt build CONFIG --stage encoder`, or fetch it again."


def save_tower(clip: Clip, folder: Path) -> tuple[Stored, list[str]]:
    """Write the image side of a CLIP; returns its architecture and the names of the files.

    Raises ConfigError for a tower whose architecture cannot be stored.
    """
    from safetensors.numpy import save as save_arrays
    from safetensors.torch import save

    model, size = clip.config.model, clip.preprocess.image_size
    architecture = describe_tower(model, clip.model.visual, clip.model_config, size)
    tensors = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in clip.model.visual.state_dict().items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / TOWER) as temporary:
        temporary.write_bytes(save(tensors))
    if clip.head is None:
        return architecture, [TOWER]
    with write_atomically(folder / HEAD) as temporary:
        temporary.write_bytes(save_arrays(dict(clip.head)))
    return architecture, [TOWER, HEAD]


def load_stored_tower(
    folder: Path, architecture: Stored, config: EncoderConfig, preprocess: Preprocess, space: str
) -> Clip:
    """The encoder of a folder that `save_tower` wrote, on the GPU if there is one.

    `space` is what the description says: the digest of the files vouches for the weights. Raises
    DamagedFileError where the tensors are not those of the architecture.
    """
    torch: Any = importlib.import_module("torch")
    tensors = load_torch_tensors(folder / TOWER, REMEDY)
    model = torch.nn.Module()
    try:
        with without_load_reports():
            with torch.device("meta"):  # takes no memory, however large the numbers are
                _check_shapes(architecture.build().state_dict(), tensors, folder)
            model.visual = architecture.build()
        model.visual.load_state_dict(tensors)
    except (RuntimeError, ValueError, TypeError, AssertionError, ArithmeticError) as error:
        raise DamagedFileError(
            f"{folder} does not describe the tower that it holds: {error}. {REMEDY}"
        ) from error
    head = read_head(folder) if config.output == "prediction" else None
    loaded = model.eval().to(choose_device())
    return Clip(loaded, None, preprocess, config, head, space=space)


def _check_shapes(wanted: Any, found: Any, folder: Path) -> None:
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for tensors in (wanted, found)
    ]
    if shapes[0] != shapes[1]:
        odd = sorted(
            name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name)
        )
        raise DamagedFileError(
            f"{folder / TOWER}: {odd[0]} has the shape {shapes[1].get(odd[0])}, the architecture "
            f"wants {shapes[0].get(odd[0])}. {REMEDY}"
        )
