"""`unprompt train head|clip`: the pictures of a run -> RUN/train or RUN/clip with the weights."""

import os
from functools import partial
from pathlib import Path

from unprompt.build.pipeline import IMAGES
from unprompt.build.stage import Stage, run_stages
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.stages import StageLedger
from unprompt.ui.jobs.config import TRAIN, RunConfig
from unprompt.ui.jobs.run import Run, make_run


def is_main_process() -> bool:
    """Whether this process writes files and reports; `accelerate launch` starts several."""
    return int(os.environ.get("RANK", "0")) == 0


def training_stage(section: str, resume: str = "latest") -> Stage[Run]:
    """The stage that trains what `section`, train or clip, configures."""
    return Stage(
        name=section,
        needs=("images",),
        output=lambda folder: folder.training(section),
        settings=(*IMAGES.settings, section),
        run=partial(_train, section, resume),
    )


def train_run(
    folder: Path,
    config: RunConfig,
    resume: str = "latest",
    progress: Progress = SILENT,
    section: str = TRAIN,
) -> Path:
    """Train what `section` configures on the run's pictures, or those of the stages' `run`.

    Every process of `accelerate launch` calls it; only the main one records the stage. `resume` is
    latest, none, or the name of a checkpoint. Returns the folder of the export.
    """
    run, stage = make_run(folder, config, progress), training_stage(section, resume)
    run.settings(stage.settings)  # raises where the section is missing
    ledger = StageLedger(folder)
    if is_main_process():
        with owned(folder if resume == "none" else None):
            if resume == "none":
                ledger.forget(section)
            run_stages((stage,), run)
    elif resume == "none" or not ledger.is_done(section):
        stage.run(run)
    return run.folder.export(section)


def _train(section: str, resume: str, run: Run) -> int:
    from unprompt.ui.jobs.train.data import collect_data

    place, config = run.folder.training(section), run.run_config
    report = place if is_main_process() else None
    if section == TRAIN and config.train is not None:
        from unprompt.inversion.train.regression import train_head

        data = collect_data(run, config.train.stages, report)
        train_head(place, config.train, data, resume, run.progress)
    elif config.clip is not None:
        from unprompt.inversion.train.contrastive import train_clip

        data = collect_data(run, config.clip.stages, report)
        train_clip(place, config.clip, data, resume, run.progress)
    else:
        raise ConfigError("there is nothing to train")
    return 0
