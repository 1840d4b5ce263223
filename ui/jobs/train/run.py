"""`unprompt train`: a run's pictures -> RUN/train or RUN/clip with what was trained."""

import os
from pathlib import Path
from typing import Any

from unprompt.build.pipeline import BuildRun
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.ui.jobs.config import TRAIN, RunConfig

# how often progress is written changes nothing in the weights
OF_NO_WEIGHT = ("checkpoint_steps", "log_steps", "workers")


def is_main_process() -> bool:
    """Whether this process writes files and talks; `accelerate launch` starts several."""
    return int(os.environ.get("RANK", "0")) == 0


def train_folder(folder: Path, kind: str = TRAIN) -> Path:
    """Where a run's training is; `kind` is train or clip."""
    return folder / kind


def export_folder(folder: Path, kind: str = TRAIN) -> Path:
    """Where the trained tower and head are, or the trained CLIP."""
    return folder / kind / "export"


def train_settings(folder: Path, config: RunConfig, kind: str = TRAIN) -> dict[str, Any]:
    """All settings that decide what is trained."""
    section = config.train if kind == TRAIN else config.clip
    if section is None:
        command = "head" if kind == TRAIN else "clip"
        raise ConfigError(
            f"{config.build.name} has no section `{kind}:`; see `unprompt train {command} --help`"
        )
    settings = write_settings(section)
    for name in OF_NO_WEIGHT:
        del settings[name]
    return {**BuildRun(folder, config.build).settings("images"), kind: settings}


def train_run(
    folder: Path,
    config: RunConfig,
    resume: str = "latest",
    progress: Progress = SILENT,
    kind: str = TRAIN,
) -> Path:
    """Train what the section `kind` says on the run's pictures, or those of the stages' `run`.

    Every process of `accelerate launch` calls it; the main one keeps the ledger. Returns the
    folder of the export.
    """
    settings = train_settings(folder, config, kind)
    ledger = StageLedger(folder)
    main = is_main_process()
    if not ledger.is_done("images"):
        raise ConfigError(
            f"the stage {kind} needs the stage images, which is not done in {folder}; run "
            "`unprompt build CONFIG --stage corpus --stage images`"
        )
    if resume == "none" and main:
        ledger.forget(kind)
    if main and not ledger.begin(kind, settings):
        return export_folder(folder, kind)
    if not main and resume != "none" and ledger.is_done(kind):
        return export_folder(folder, kind)
    export = _train(folder, config, kind, resume, progress)
    if main:
        ledger.finish(kind, settings)
    return export


def _train(folder: Path, config: RunConfig, kind: str, resume: str, progress: Progress) -> Path:
    from unprompt.ui.jobs.train.data import collect_data

    place = train_folder(folder, kind)
    report = place if is_main_process() else None
    if kind == TRAIN and config.train is not None:
        from unprompt.inversion.train.regression import train_head

        data = collect_data(folder, config, config.train.stages, report, progress)
        return train_head(place, config.train, data, resume, progress)
    if config.clip is None:
        raise ConfigError("there is nothing to train")
    from unprompt.inversion.train.contrastive import train_clip

    data = collect_data(folder, config, config.clip.stages, report, progress)
    return train_clip(place, config.clip, data, resume, progress)
