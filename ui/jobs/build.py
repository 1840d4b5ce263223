"""`unprompt build`: a config's name and options -> a run folder, with progress."""

from collections.abc import Sequence
from pathlib import Path

from unprompt.build.pipeline import check_share
from unprompt.index.base.stages import StageLedger
from unprompt.index.engines.engine import EngineConfig
from unprompt.ui.jobs.config import RunConfig, load_config
from unprompt.ui.jobs.progress import choose_progress
from unprompt.ui.jobs.workflow import ALL_STAGES, build_run, discard_changed

RUNS = Path("runs")


def run_folder(output: Path | None, config: RunConfig) -> Path:
    """Where a run goes if the user names no folder."""
    return output or RUNS / config.build.name


def run_build(
    name: str,
    output: Path | None,
    stages: Sequence[str] | None,
    settings: Sequence[str],
    retry_failed: bool,
    overwrite: bool,
    engine: EngineConfig,
) -> None:
    """Build what is missing and print where the bundle is."""
    config = load_config(name, settings)
    folder = run_folder(output, config)
    chosen = stages or ALL_STAGES
    check_share(engine, chosen, retry_failed or overwrite)
    if overwrite:
        discard_changed(folder, config)
    if stages and engine.shares == 1:
        for stage in stages:  # asked for by name it runs again, which mends a damaged file
            StageLedger(folder).reopen(stage)
    bundle = build_run(folder, config, chosen, retry_failed, choose_progress(), engine)
    print(bundle)
