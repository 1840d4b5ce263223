"""`unprompt build` and `unprompt train`: a config's name and options -> a run folder.

STAGES is the table of all that a run is made of, in order.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.keys.assemble import assemble_index
from unprompt.build.pipeline import CORPUS, EMBED, ENCODER, FALLBACK, IMAGES, INDEX
from unprompt.build.stage import Stage, choose_stages, discard_changed, run_stages
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.stages import StageLedger
from unprompt.index.base.tables import SPLITS
from unprompt.index.bundle.bundle import BLEND, CARD, HEAD, seal_bundle
from unprompt.index.bundle.bundle import INDEX as INDEX_FOLDER
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.store.manifest import read_index_manifest
from unprompt.index.vectors.embeddings import open_embeddings
from unprompt.inversion.estimate.blend import Blend, load_blend
from unprompt.inversion.fit.fit import fit_bundle
from unprompt.inversion.fit.refit import refit_bundle
from unprompt.ui.jobs.config import FIT, TRAIN, Overrides, RunConfig, load_config
from unprompt.ui.jobs.run import Run, make_run, run_folder
from unprompt.ui.jobs.train.run import train_run, training_stage

FINAL = "final"


def _fit(run: Run) -> int:
    blend = fit_bundle(
        run.folder.bundle,
        run.folder.image_embeddings,
        read_corpus(run.folder.corpus),
        run.run_config.fit,
        run.trained,
        run.progress,
    )
    _write_card(run, run.folder.bundle, blend)
    _seal(run, run.folder.bundle)
    run.progress.note(f"bundle: {run.folder.bundle}")
    return 0


def _make_final(run: Run) -> int:
    """Index all pictures, fit the head on all, and take the rest from the tuned bundle."""
    corpus, final = read_corpus(run.folder.corpus), run.folder.final
    shutil.rmtree(final, ignore_errors=True)
    pictures = run.folder.image_embeddings
    manifest = assemble_index(
        final / INDEX_FOLDER, pictures, pictures, corpus, run.config.index, run.progress,
        run.engine, SPLITS,
    )  # fmt: skip
    refit_bundle(run.folder.bundle, final, pictures, corpus, run.run_config.fit, run.progress)
    _write_card(run, final, load_blend(final / BLEND))
    _seal(run, final)
    left = len(open_embeddings(pictures).rows) - manifest.ntotal
    more = f"; {left} pictures of dropped prompts or over `index.max_rows` are not" if left else ""
    run.progress.note(f"final: all {manifest.ntotal} pictures are rows of {final}{more}")
    return 0


def _seal(run: Run, bundle: Path) -> None:
    manifest = read_index_manifest(bundle / INDEX_FOLDER)
    seal_bundle(bundle, run.config.name, manifest.space, manifest.target_space)


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
        seals=True,
    ),
    Stage(  # left out where the config does not ask for it
        name=FINAL,
        needs=(FIT,),
        output=lambda folder: folder.final,
        settings=(*INDEX.settings, FIT),
        run=_make_final,
        retried=True,
        seals=True,
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
    if stage.name == FINAL:
        return config.build.corpus.final
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
    changing = overwrite or (stages and engine.shares == 1)
    with owned(folder if changing else None):
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


def _write_card(run: Run, bundle: Path, blend: Blend) -> None:
    manifest = read_index_manifest(bundle / INDEX_FOLDER)
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
    if bundle == run.folder.final:
        lines.append(
            "- all pictures are rows, held-out ones too; the scores are those of the bundle that "
            "was fitted without them, and this one cannot be scored on them"
        )
    with write_atomically(bundle / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
