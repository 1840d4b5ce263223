"""What the commands under `unprompt train` do."""

import os
from collections.abc import Sequence
from pathlib import Path

from unprompt.index.progress import SILENT, Progress
from unprompt.index.stages import StageLedger
from unprompt.ui.build import run_folder
from unprompt.ui.config import load_config
from unprompt.ui.progress import choose_progress
from unprompt.ui.train import is_main_process, train_run
from unprompt.ui.workflow import BEFORE_TRAINING, build_run


def run_train_head(name: str, output: Path | None, settings: Sequence[str], resume: str) -> None:
    """Make what is missing, train, print where the export is."""
    config = load_config(name, settings)
    folder = run_folder(output, config)
    progress = _progress()
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if alone and not StageLedger(folder).is_done(BEFORE_TRAINING[-1]):
        build_run(folder, config, BEFORE_TRAINING, progress=progress)
    export = train_run(folder, config, resume, progress)
    if is_main_process():
        print(export)


def _progress() -> Progress:
    return choose_progress() if is_main_process() else SILENT
