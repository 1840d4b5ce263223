"""Training pairs -> a tower and head that predict the prompt vector, in RUN/train."""

from pathlib import Path

import torch

from unprompt.index.base.progress import SILENT, Progress
from unprompt.inversion.train.config import TrainConfig
from unprompt.inversion.train.data.pairs import TrainingData
from unprompt.inversion.train.export import EXPORT, export_best
from unprompt.inversion.train.loop.launch import Launch
from unprompt.inversion.train.model.heads import build_head
from unprompt.inversion.train.model.layout import apply_layout
from unprompt.inversion.train.model.objectives import objective
from unprompt.inversion.train.model.regressor import Regressor
from unprompt.inversion.train.task import PairTask, run_training
from unprompt.inversion.train.text_map import start_from_text_map
from unprompt.inversion.train.towers.build import LoadedTower, build_tower


def build_regressor(config: TrainConfig, loaded: LoadedTower) -> Regressor:
    """The tower with its layout and a new head, whose initial weights depend on the seed only."""
    tower = loaded.tower.to(memory_format=torch.channels_last)
    tower.checkpointing = config.checkpointing
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        layout = apply_layout(tower, config.tuning)
        head = build_head(config.head, tower.dim, tower.token_dim)
    if head.takes_tokens:
        for part in tower.beside_tokens:
            part.requires_grad_(False)
    return Regressor(tower, head, layout, loaded.preprocess, objective(config.objective))


def train_head(
    folder: Path,
    config: TrainConfig,
    data: TrainingData,
    resume: str = "latest",
    progress: Progress = SILENT,
) -> Path:
    """Train in `folder` and export the best weights. Returns the folder of the export.

    Raises ConfigError if settings and data do not fit, and TrainingDivergedError if the loss is
    not a number.
    """
    launch = Launch(config.precision)
    loaded = build_tower(config.tower)
    module = build_regressor(config, loaded)
    if config.head.initial == "text_map":
        start_from_text_map(module.head, loaded, data)
    task = PairTask(folder, config, data, launch, (module, loaded.preprocess), progress)
    run_training(folder, config, task, launch, resume, progress)
    if launch.is_main:
        export_best(folder, config.tower, module, task.preprocess.image_size, data)
    launch.wait()
    return folder / EXPORT
