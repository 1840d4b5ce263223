"""`unprompt build` and `unprompt train`: a config's name and options -> a run folder.

STAGES is the table of all that a run is made of, in order.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.pipeline import CORPUS, EMBED, ENCODER, FALLBACK, IMAGES, INDEX
from unprompt.build.stage import Stage, choose_stages, discard_changed, run_stages
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.bundle import CARD, HEAD, seal_bundle
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.store.manifest import read_index_manifest
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.fit.fit import fit_bundle
from unprompt.ui.jobs.config import FIT, TRAIN, Overrides, RunConfig, load_config
from unprompt.ui.jobs.run import Run, make_run, run_folder
from unprompt.ui.jobs.train.run import train_run, training_stage


def _fit(run: Run) -> int:
    blend = fit_bundle(
        run.folder.bundle,
        run.folder.image_embeddings,
        read_corpus(run.folder.corpus).targets_of,
        run.run_config.fit,
        run.trained,
        run.progress,
    )
    _write_card(run, blend)
    manifest = read_index_manifest(run.folder.index)
    seal_bundle(run.folder.bundle, run.config.name, manifest.space, manifest.target_space)
    run.progress.note(f"bundle: {run.folder.bundle}")
    return 0


STAGES: tuple[Stage[Run], ...] = (
    CORPUS,
    IMAGES,
    training_stage(TRAIN),  # left out where the config has no section `train:`
    ENCODER,
    EMBED,
    INDEX,
    FALLBACK,
    Stage(
        name=FIT,
        needs=("index",),
        output=lambda folder: folder.bundle / HEAD,
        settings=(*INDEX.settings, FIT),
        run=_fit,
        retried=True,
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)


def build_run(
    folder: Path,
    config: RunConfig,
    stages: Sequence[str] = STAGE_NAMES,
    retry_failed: bool = False,
    progress: Progress = SILENT,
    engine: EngineConfig = LOCAL,
) -> Path:
    """Run what is not done of `stages` in `folder`; returns the bundle's folder.

    Raises ConfigError for an unknown stage, for one that needs another, and where other settings
    began it.
    """
    chosen = choose_stages(STAGES, stages, engine, retry_failed)
    run = make_run(folder, config, progress, engine, retry_failed)
    run_stages([stage for stage in chosen if _applies(stage, config)], run)
    return run.folder.bundle


def _applies(stage: Stage[Run], config: RunConfig) -> bool:
    return stage.name != TRAIN or config.train is not None


def run_build(
    name: str,
    output: Path | None = None,
    stages: Sequence[str] | None = None,
    overrides: Overrides = (),
    retry_failed: bool = False,
    overwrite: bool = False,
    engine: EngineConfig = LOCAL,
    progress: Progress = SILENT,
) -> Path:
    """Build the missing stages of a run; returns the bundle's folder."""
    config = load_config(name, overrides)
    folder = run_folder(output, config)
    chosen = stages or STAGE_NAMES
    choose_stages(STAGES, chosen, engine, retry_failed or overwrite)
    if overwrite:
        applicable = [stage for stage in STAGES if _applies(stage, config)]
        discard_changed(applicable, make_run(folder, config))
    if stages and engine.shares == 1:
        for stage in stages:  # a stage that is named runs again, which repairs damaged files
            StageLedger(folder).reopen(stage)
    return build_run(folder, config, chosen, retry_failed, progress, engine)


def run_training(
    name: str,
    output: Path | None = None,
    overrides: Overrides = (),
    resume: str = "latest",
    section: str = TRAIN,
    progress: Progress = SILENT,
) -> Path:
    """Build corpus and pictures if they are missing, then train; returns the export's folder."""
    config = load_config(name, overrides)
    folder = run_folder(output, config)
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if alone and not StageLedger(folder).is_done(IMAGES.name):
        build_run(folder, config, (CORPUS.name, IMAGES.name), progress=progress)
    return train_run(folder, config, resume, progress, section)


def _write_card(run: Run, blend: Blend) -> None:
    manifest = read_index_manifest(run.folder.index)
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
    with write_atomically(run.folder.bundle / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
