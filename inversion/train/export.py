"""The best weights of a run -> RUN/train/export, as `trained_tower.py` reads it."""

from pathlib import Path

from safetensors.numpy import save

from unprompt.index.base.durable import read_json, write_atomically, write_json
from unprompt.index.base.settings import write_settings
from unprompt.index.towers.open_clip_folder import read_trained_on
from unprompt.index.towers.trained_tower import (
    DESCRIPTION,
    HEAD,
    TOWER,
    TrainingResult,
    join_corpora,
)
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.data.pairs import TrainingData
from unprompt.inversion.train.loop.checkpoints import (
    BEST,
    STATE,
    WEIGHTS,
    load_weights,
    save_weights,
)
from unprompt.inversion.train.model.adapters import load_trainable_state, merge_adapters
from unprompt.inversion.train.model.heads import head_tensors
from unprompt.inversion.train.model.regressor import Regressor

CHECKPOINTS, EXPORT = "checkpoints", "export"


def export_best(
    run: Path, tower: TowerConfig, module: Regressor, image_size: int, data: TrainingData
) -> TrainingResult:
    """Load the best weights of `run` into its regressor and write RUN/export.

    The adapters are merged in place, so the module cannot be trained further.
    """
    best = run / CHECKPOINTS / BEST
    load_trainable_state(module, load_weights(best / WEIGHTS))
    export = run / EXPORT
    (export / DESCRIPTION).unlink(missing_ok=True)
    write_export(export, module)
    state = read_json(best / STATE)
    result = TrainingResult(
        model=tower.model,
        pretrained=tower.pretrained,
        image_size=image_size,
        step=state["step"],
        validation_cosine=state["cosine"],
        pairs=len({(pairs.images, key) for pairs in data.stages for key in pairs.keys}),
        target_space=data.target_space,
        trained_on=join_corpora(read_trained_on(tower.model), data.corpus),
    )
    write_json(export / DESCRIPTION, write_settings(result))
    return result


def write_export(folder: Path, module: Regressor) -> None:
    """The tower's weights, adapters merged in place, and the head's tensors."""
    merge_adapters(module.eval().tower)
    save_weights(folder / TOWER, module.tower.trunk.state_dict())
    with write_atomically(folder / HEAD) as temporary:
        temporary.write_bytes(save(dict(head_tensors(module.head))))
