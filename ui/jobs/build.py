"""`unprompt build`: a config's name and options -> a run folder, with progress."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.pipeline import STAGES, BuildRun, TowerSources, check_share
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.bundle import CARD, seal_bundle
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.store.manifest import read_index_manifest
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.fit.fit import fit_bundle
from unprompt.inversion.inverter import STARTER
from unprompt.ui.jobs.config import FIT, TRAIN, RunConfig, load_config
from unprompt.ui.jobs.progress import choose_progress
from unprompt.ui.jobs.train.run import (
    export_folder,
    is_main_process,
    train_folder,
    train_run,
    train_settings,
)

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


def run_training(
    name: str, output: Path | None, settings: Sequence[str], resume: str, kind: str
) -> None:
    """Make what is missing, train, print where the export is."""
    config = load_config(name, settings)
    folder = run_folder(output, config)
    progress = choose_progress() if is_main_process() else SILENT
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if alone and not StageLedger(folder).is_done(BEFORE_TRAINING[-1]):
        build_run(folder, config, BEFORE_TRAINING, progress=progress)
    export = train_run(folder, config, resume, progress, kind)
    if is_main_process():
        print(export)


BEFORE_TRAINING = ("corpus", "images")


ALL_STAGES = (*BEFORE_TRAINING, TRAIN, *STAGES[len(BEFORE_TRAINING) :], FIT)


def make_run(
    folder: Path, config: RunConfig, progress: Progress = SILENT, engine: EngineConfig = LOCAL
) -> BuildRun:
    """The build of a run; a trained tower takes the place of the one that `encoder` names."""
    bundles = {"starter": STARTER}
    if config.train is None:
        return BuildRun(folder, config.build, progress, TowerSources(bundles), engine)
    tower = config.train.tower
    sizes = [stage.image_size for stage in config.train.stages if stage.image_size is not None]
    encoder = replace(
        config.build.encoder,
        model=tower.model,
        pretrained=tower.pretrained,
        image_size=sizes[-1] if sizes else tower.image_size,
    )
    sources = TowerSources(bundles, export_folder(folder), train_settings(folder, config))
    return BuildRun(folder, replace(config.build, encoder=encoder), progress, sources, engine)


def build_run(
    folder: Path,
    config: RunConfig,
    stages: Sequence[str] = ALL_STAGES,
    retry_failed: bool = False,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> Path:
    """Run what is not done of `stages` in `folder`; returns the bundle's folder."""
    unknown = sorted(set(stages) - set(ALL_STAGES))
    if unknown:
        raise ConfigError(f"unknown stage {unknown[0]!r}; stages are {', '.join(ALL_STAGES)}")
    check_share(engine, stages, retry_failed)
    run = make_run(folder, config, progress, engine)
    if not run.build([stage for stage in stages if stage in BEFORE_TRAINING], retry_failed):
        return run.paths.bundle
    if TRAIN in stages and config.train is not None:
        train_run(folder, config, progress=progress)
    run.build([s for s in stages if s in STAGES and s not in BEFORE_TRAINING], retry_failed)
    if FIT in stages:
        _fit(run, config, retry_failed, progress)
    return run.paths.bundle


def discard_changed(folder: Path, config: RunConfig) -> None:
    """Delete the stages of a run that other settings made, and all that came after them."""
    run = make_run(folder, config)
    run.discard_changed(later=[FIT])
    ledger = StageLedger(folder)
    if config.train is not None and ledger.differs(TRAIN, train_settings(folder, config)):
        shutil.rmtree(train_folder(folder), ignore_errors=True)
        ledger.forget(TRAIN)
    if ledger.differs(FIT, _fit_settings(run, config)):
        ledger.forget(FIT)


def _fit(run: BuildRun, config: RunConfig, again: bool, progress: Progress) -> None:
    folder = run.folder
    ledger = StageLedger(folder)
    settings = _fit_settings(run, config)
    if again:
        ledger.reopen(FIT)
    if not ledger.is_done("index"):
        raise ConfigError(
            f"the stage fit needs the stage index, which is not done in {run.folder}; run "
            "`unprompt build` without --stage"
        )
    if not ledger.begin(FIT, settings):
        return
    corpus = read_corpus(run.paths.corpus)
    trained = export_folder(folder) if config.train is not None else None
    blend = fit_bundle(
        run.paths.bundle,
        run.paths.image_embeddings,
        corpus.targets_of,
        config.fit,
        trained,
        progress,
    )
    _write_card(run, blend)
    manifest = read_index_manifest(run.paths.index)
    seal_bundle(run.paths.bundle, config.build.name, manifest.space, manifest.target_space)
    ledger.finish(FIT, settings)
    progress.note(f"bundle: {run.paths.bundle}")


def _fit_settings(run: BuildRun, config: RunConfig) -> dict[str, Any]:
    return {**run.settings("index"), FIT: write_settings(config.fit)}


def _write_card(run: BuildRun, blend: Blend) -> None:
    manifest = read_index_manifest(run.paths.index)
    config = run.config
    renderer = "" if config.corpus.has_pictures else f"; renderer: {config.render.renderer}"
    lines = [
        f"# {config.name}",
        "",
        f"- index: {manifest.ntotal} rows of {manifest.prompts} prompts, keys {manifest.keys}, "
        f"factory string `{manifest.factory}`",
        f"- corpus source: {config.corpus.source}{renderer}",
        f"- encoder: {config.encoder.model}, space `{manifest.space}`",
        f"- targets: all-MiniLM-L6-v2, space `{manifest.target_space}`",
        f"- blend: alpha {blend.alpha:.2f}, k {blend.knn.k}; mean cosine on "
        f"{blend.validation_queries} validation pictures {blend.validation_cosine:.4f}",
    ]
    lines += [f"- {one.source}: {find_kind(one.kind).licence}" for one in config.corpus.collections]
    if config.corpus.source == "scenes":
        lines.append("- drawings: OpenMoji, CC BY-SA 4.0, https://openmoji.org")
    with write_atomically(run.paths.bundle / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
