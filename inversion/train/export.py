"""The best weights of a run -> RUN/train/export, as `unprompt.index.trained_tower` reads it."""

from pathlib import Path

from safetensors.numpy import save

from unprompt.index.durable import read_json, write_atomically, write_json
from unprompt.index.settings import write_settings
from unprompt.index.trained_tower import DESCRIPTION, HEAD, TOWER, TrainingResult
from unprompt.inversion.train.adapters import load_trainable_state, merge_adapters
from unprompt.inversion.train.checkpoints import BEST, STATE, WEIGHTS, load_weights, save_weights
from unprompt.inversion.train.config import TowerConfig
from unprompt.inversion.train.heads import fold_mlp
from unprompt.inversion.train.regressor import Regressor

CHECKPOINTS, EXPORT = "checkpoints", "export"


def export_best(
    run: Path, tower: TowerConfig, module: Regressor, image_size: int, pairs: int, targets: str
) -> TrainingResult:
    """Load the best weights of `run` into its regressor and write RUN/export.

    `pairs` is how many renders it learned from, `targets` the space of the prompt vectors. The
    adapters are merged in place: the module cannot be trained on afterwards.
    """
    best = run / CHECKPOINTS / BEST
    load_trainable_state(module, load_weights(best / WEIGHTS))
    merge_adapters(module.eval().tower)
    export = run / EXPORT
    (export / DESCRIPTION).unlink(missing_ok=True)
    save_weights(export / TOWER, module.tower.trunk.state_dict())
    with write_atomically(export / HEAD) as temporary:
        temporary.write_bytes(save(fold_mlp(module.head)))
    state = read_json(best / STATE)
    result = TrainingResult(
        model=tower.model,
        pretrained=tower.pretrained,
        image_size=image_size,
        step=state["step"],
        validation_cosine=state["cosine"],
        pairs=pairs,
        target_space=targets,
    )
    write_json(export / DESCRIPTION, write_settings(result))
    return result
