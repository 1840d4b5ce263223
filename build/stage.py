"""A table of stages and a run's settings -> the run folder, with every missing stage made.

RUN/stages/NAME.json records the settings that a stage was begun with and whether it is done.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from unprompt.build.config import BuildConfig
from unprompt.index.base.durable import read_json
from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.exported.export import DESCRIPTION


@dataclass(frozen=True, kw_only=True)
class BuildRun:
    """What every stage receives: the run folder, its settings, and how the work is done."""

    folder: RunFolder
    config: BuildConfig
    exported_towers: Mapping[str, Path] = field(default_factory=dict)  # by `encoder.model`
    trained: Path | None = None  # export of the tower that this run trained
    progress: Progress = SILENT
    engine: EngineConfig = LOCAL
    retry_failed: bool = False

    @property
    def images(self) -> Path:
        """The image shards: those of this run, or those that `corpus.source: shards` names."""
        if self.config.corpus.source == "shards":
            return Path(self.config.corpus.paths[0])
        return self.folder.images

    @property
    def exported_tower(self) -> Path | None:
        """The exported tower that `encoder.model` names; None where it names a model to export."""
        return self.exported_towers.get(self.config.encoder.model)

    def section(self, name: str) -> dict[str, Any]:
        """The settings of one section of the config that decide what is made."""
        if name == "corpus":
            return {name: self.config.corpus.written}
        if name == "render":
            return {name: self.config.render.deciding}
        settings = {name: write_settings(self.config)[name]}
        if name == "encoder" and self.exported_tower is not None:
            settings["tower"] = read_json(self.exported_tower / DESCRIPTION)["files"]
        return settings

    def settings(self, sections: Sequence[str]) -> dict[str, Any]:
        """The deciding settings of several sections together."""
        return {name: value for one in sections for name, value in self.section(one).items()}


Accepts = TypeVar("Accepts", bound=BuildRun, contravariant=True)
Run = TypeVar("Run", bound=BuildRun)


@dataclass(frozen=True)
class Stage(Generic[Accepts]):
    """One step of a run, with all that is needed to decide whether and how it runs."""

    name: str
    needs: tuple[str, ...]  # stages that must be done before
    output: Callable[[RunFolder], Path]  # folder, deleted with --overwrite where settings changed
    settings: tuple[str, ...]  # sections of the config that decide the output
    run: Callable[[Accepts], int]  # returns how many shards are left to other processes
    sharded: bool = False  # several processes can share the work
    retried: bool = False  # runs again with --retry-failed
    seals: bool = False  # records what other stages made, so that their changes reach it


def run_stages(stages: Sequence[Stage[Run]], run: Run) -> bool:
    """Run every stage of `stages` that is not done, in order.

    Returns False where other processes have not finished their shards of a stage; the process
    that finds all shards of a stage written marks it as done. Raises ConfigError where a stage
    that is needed is not done, or where other settings began a stage, and OutputInUseError where
    another process builds the run. A run that is done is not owned, and may be read-only.
    """
    ledger = StageLedger(run.folder.path)
    again = any(run.retry_failed and stage.retried for stage in stages)
    if not again and all(ledger.is_done(stage.name) for stage in stages):
        return _run_stages(stages, run, ledger)
    with owned(run.folder.path, share=run.engine.share_name):
        return _run_stages(stages, run, ledger)


def _run_stages(stages: Sequence[Stage[Run]], run: Run, ledger: StageLedger) -> bool:
    for stage in stages:
        if run.retry_failed and stage.retried:
            ledger.reopen(stage.name)
        _check_needs(stage, ledger)
        settings = run.settings(stage.settings)
        fresh = not ledger.is_begun(stage.name)
        if not ledger.begin(stage.name, settings):
            continue
        try:
            left = stage.run(run)
        except UnpromptError:
            # nothing is written yet: a corrected setting must not count as another run's
            if fresh and not stage.output(run.folder).exists() and run.engine.shares == 1:
                ledger.forget(stage.name)
            raise
        if left:
            run.progress.note(f"{stage.name}: {left} shards are left to other processes")
            return False
        ledger.finish(stage.name, settings)
        run.progress.note(f"{stage.name}: done")
    return True


def discard_changed(stages: Sequence[Stage[Run]], run: Run) -> None:
    """Delete the output of every stage that other settings began; stages that seal run again too.

    The settings of a stage include those of the stages before it, so a change reaches all of the
    stages that depend on it.
    """
    ledger = StageLedger(run.folder.path)
    changed = [one for one in stages if ledger.differs(one.name, run.settings(one.settings))]
    for stage in changed:
        shutil.rmtree(stage.output(run.folder), ignore_errors=True)
        ledger.forget(stage.name)
    for stage in stages:
        if changed and stage.seals:
            ledger.forget(stage.name)


def choose_stages(
    table: Sequence[Stage[Run]],
    names: Sequence[str],
    engine: EngineConfig = LOCAL,
    again: bool = False,
) -> list[Stage[Run]]:
    """The stages of `table` that `names` lists, in the order of the table.

    `again` says that the run was asked for --retry-failed or --overwrite. Raises ConfigError for
    an unknown name, and where one of several processes (`engine`) asks for work that several
    cannot share.
    """
    known = [stage.name for stage in table]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigError(f"unknown stage {unknown[0]!r}; stages are {', '.join(known)}")
    chosen = [stage for stage in table if stage.name in names]
    if engine.shares > 1 and (again or not all(stage.sharded for stage in chosen)):
        sharded = " and ".join(f"--stage {stage.name}" for stage in table if stage.sharded)
        raise ConfigError(
            f"--shard i/n is for the stages that are made of shards, {sharded}, without "
            "--retry-failed and --overwrite; run the other stages in one process before and after"
        )
    return chosen


def _check_needs(stage: Stage[Run], ledger: StageLedger) -> None:
    for earlier in stage.needs:
        if not ledger.is_done(earlier):
            raise ConfigError(
                f"the stage {stage.name} needs the stage {earlier}, which is not done in "
                f"{ledger.run}; run `unprompt build` without --stage, or with --stage {earlier}"
            )
