"""The table of stages and the loop that runs it, with stages that write a file each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unprompt.build.config import BuildConfig
from unprompt.build.stage import BuildRun, Stage, choose_stages, discard_changed, run_stages
from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.engines.engine import EngineConfig
from unprompt.ui.jobs.build import STAGE_NAMES, STAGES

Ran = list[str]


def write(name: str, ran: Ran, left: int = 0) -> Callable[[BuildRun], int]:
    def work(run: BuildRun) -> int:
        ran.append(name)
        (run.folder.path / name).mkdir(parents=True, exist_ok=True)
        return left

    return work


def table_of(ran: Ran, left: int = 0) -> list[Stage[BuildRun]]:
    def stage(name: str, needs: tuple[str, ...], sections: tuple[str, ...], **more: Any) -> Any:
        run = write(name, ran, left if name == "images" else 0)
        return Stage(name, needs, lambda folder: folder.path / name, sections, run, **more)

    return [
        stage("corpus", (), ("corpus",)),
        stage("images", ("corpus",), ("corpus", "render"), sharded=True, retried=True),
        stage("encoder", (), ("encoder",)),
        stage("seal", ("images", "encoder"), ("fallback",), seals=True),
    ]


@pytest.fixture
def run(tmp_path: Path) -> BuildRun:
    return BuildRun(folder=RunFolder(tmp_path), config=BuildConfig(name="of stages"))


def test_stages_run_once_in_order(run: BuildRun) -> None:
    ran: Ran = []
    assert run_stages(table_of(ran), run) and run_stages(table_of(ran), run)
    assert ran == ["corpus", "images", "encoder", "seal"]


def test_failed_rows_are_tried_again_only_where_there_are_some(run: BuildRun) -> None:
    ran: Ran = []
    run_stages(table_of(ran), run)
    run_stages(table_of(ran), replace(run, retry_failed=True))
    assert ran[4:] == ["images"]


def test_a_stage_that_others_have_to_finish_stops_the_run(run: BuildRun) -> None:
    ran: Ran = []
    assert not run_stages(table_of(ran, left=2), run)
    assert ran == ["corpus", "images"]
    assert not StageLedger(run.folder.path).is_done("images")


def test_a_stage_names_the_one_that_it_needs(run: BuildRun) -> None:
    with pytest.raises(ConfigError, match="the stage images needs the stage corpus"):
        run_stages(table_of([])[1:], run)


@pytest.mark.parametrize("wrote", [False, True])
def test_a_stage_that_fails_before_it_writes_leaves_no_record(run: BuildRun, wrote: bool) -> None:
    def fail(run: BuildRun) -> int:
        if wrote:
            run.folder.corpus.mkdir()
        raise UnpromptError("no such file")

    stage = Stage("corpus", (), lambda folder: folder.corpus, ("corpus",), fail)
    with pytest.raises(UnpromptError, match="no such file"):
        run_stages([stage], run)
    assert StageLedger(run.folder.path).is_begun("corpus") is wrote


def test_what_other_settings_made_is_deleted_and_what_seals_runs_again(run: BuildRun) -> None:
    ran: Ran = []
    run_stages(table_of(ran), run)
    config = replace(run.config, render=replace(run.config.render, size_px=64))
    changed = replace(run, config=config)
    with pytest.raises(ConfigError, match=r"began its stage images with other settings \(render"):
        run_stages(table_of(ran), changed)
    discard_changed(table_of(ran), changed)
    left = {path.name for path in run.folder.path.iterdir()}
    assert left == {"corpus", "encoder", "seal", "stages"}
    run_stages(table_of(ran), changed)
    assert ran[4:] == ["images", "seal"]


def test_stages_are_chosen_by_name_in_the_order_of_the_table() -> None:
    table = table_of([])
    assert [one.name for one in choose_stages(table, ["seal", "corpus"])] == ["corpus", "seal"]
    with pytest.raises(ConfigError, match="unknown stage 'index'; stages are corpus, images"):
        choose_stages(table, ["index"])
    shared = EngineConfig(share=0, shares=2)
    assert choose_stages(table, ["images"], shared) == [table[1]]
    for names, again in ((["images", "corpus"], False), (["images"], True)):
        with pytest.raises(ConfigError, match="stages that are made of shards, --stage images"):
            choose_stages(table, names, shared, again)


def test_every_stage_needs_stages_before_it() -> None:
    for place, stage in enumerate(STAGES):
        assert set(stage.needs) <= set(STAGE_NAMES[:place]), stage.name
        assert STAGE_NAMES.count(stage.name) == 1


def test_the_help_of_build_lists_every_stage(cli: Callable[..., Any]) -> None:
    said = " ".join(cli("build", "--help").out.split())
    assert f"Stages: {', '.join(STAGE_NAMES)}." in said


def test_a_folder_that_is_no_finished_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a finished run"):
        RunFolder(tmp_path).require_finished()
