"""`unprompt train`: a run's pictures -> RUN/train with a trained tower and head."""

import os
from pathlib import Path
from typing import Any

from unprompt.build.corpus import read_corpus
from unprompt.build.pipeline import BuildRun
from unprompt.index.errors import ConfigError
from unprompt.index.progress import SILENT, Progress
from unprompt.index.settings import write_settings
from unprompt.index.stages import StageLedger
from unprompt.ui.config import TRAIN, RunConfig


def is_main_process() -> bool:
    """Whether this process writes files and talks; `accelerate launch` starts several."""
    return int(os.environ.get("RANK", "0")) == 0


def train_folder(folder: Path) -> Path:
    """Where a run's training is."""
    return folder / TRAIN


def export_folder(folder: Path) -> Path:
    """Where the trained tower and head are."""
    return folder / TRAIN / "export"


def train_settings(folder: Path, config: RunConfig) -> dict[str, Any]:
    """All settings that decide what is trained."""
    if config.train is None:
        raise ConfigError(
            f"{config.build.name} has no section `train:`; see `unprompt train head --help`"
        )
    settings = write_settings(config.train)
    # how often progress is written changes nothing in the weights
    for name in ("checkpoint_steps", "log_steps", "workers"):
        del settings[name]
    return {**BuildRun(folder, config.build).settings("images"), TRAIN: settings}


def train_run(
    folder: Path, config: RunConfig, resume: str = "latest", progress: Progress = SILENT
) -> Path:
    """Train what `config.train` says on the run's own pictures, or those of the stages' `run`.

    Every process of `accelerate launch` calls it; the main one keeps the ledger.
    """
    settings = train_settings(folder, config)
    ledger = StageLedger(folder)
    main = is_main_process()
    if not ledger.is_done("images"):
        raise ConfigError(
            f"the stage train needs the stage images, which is not done in {folder}; run "
            "`unprompt build CONFIG --stage corpus --stage images`"
        )
    if resume == "none" and main:
        ledger.forget(TRAIN)
    if main and not ledger.begin(TRAIN, settings):
        return export_folder(folder)
    if not main and resume != "none" and ledger.is_done(TRAIN):
        return export_folder(folder)
    from unprompt.inversion.train.regression import train_head

    train = config.train
    if train is None:
        raise ConfigError("there is nothing to train")
    stages = tuple(
        _pairs(Path(stage.run) if stage.run else folder, config, "train") for stage in train.stages
    )
    from unprompt.inversion.train.pairs import TrainingData

    space = read_corpus(folder / "corpus").report["target_space"]
    data = TrainingData(stages, _pairs(folder, config, "validation"), space)
    export = train_head(train_folder(folder), train, data, resume, progress)
    if main:
        ledger.finish(TRAIN, settings)
    return export


def _pairs(folder: Path, config: RunConfig, split: str) -> Any:
    from unprompt.inversion.train.pairs import collect_pairs

    run = BuildRun(folder, config.build)
    corpus = read_corpus(run.corpus)
    return collect_pairs(run.images, corpus.prompts, split, corpus.targets_of)
