"""A run's settings -> a run folder with a sealed bundle; and the scores of such a run.

RUN/corpus  RUN/images  RUN/train  RUN/bundle/encoder  RUN/embeddings  RUN/bundle/{index,head}
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import Corpus, read_corpus
from unprompt.build.corpus.leaks import check_leaks
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.build.keys.import_rows import rows_near_held_out
from unprompt.build.pipeline import STAGES, BuildRun, TowerSources, check_share
from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.bundle.bundle import CARD, ENCODER, INDEX, seal_bundle
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.engines.engine import LOCAL, EngineConfig
from unprompt.index.exported.export import trained_on
from unprompt.index.store.manifest import read_index_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.vectors.embeddings import read_embeddings
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.estimate.confidence import calibration_error, measure_reliability
from unprompt.inversion.fit.evaluate import (
    Examined,
    MethodScore,
    TextBank,
    examine_run,
    score_texts,
)
from unprompt.inversion.fit.fit import fit_bundle
from unprompt.inversion.inverter import STARTER, Inverter
from unprompt.ui.jobs.config import FIT, TRAIN, RunConfig
from unprompt.ui.jobs.train.run import export_folder, train_folder, train_run, train_settings

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
        return run.bundle
    if TRAIN in stages and config.train is not None:
        train_run(folder, config, progress=progress)
    run.build([s for s in stages if s in STAGES and s not in BEFORE_TRAINING], retry_failed)
    if FIT in stages:
        _fit(run, config, retry_failed, progress)
    return run.bundle


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


@dataclass(frozen=True)
class Evaluation:
    """What was found out about a finished run."""

    examined: Examined
    scores: list[MethodScore]
    sources: pl.Series  # of each test picture's prompt
    leaks: dict[str, Any]
    calibration_error: float | None
    compose_seconds: float | None  # median of one prompt


def examine(folder: Path, config: RunConfig, texts: int = 0, text_bank: bool = False) -> Evaluation:
    """Scores of a finished run's methods, and the leak check between its splits.

    `texts` is the number of composed prompts to score too; they take a fraction of a second each.
    `text_bank` encodes the known prompts with the CLIP's text tower and searches them too.
    """
    run = make_run(folder, config)
    corpus = read_corpus(run.corpus)
    threshold = config.build.corpus.leak_threshold
    highest = check_leaks(corpus.prompts, to_unit_length(corpus.targets), threshold)
    bank = _text_bank(run, corpus) if text_bank else None
    examined = examine_run(run.bundle, run.image_embeddings, corpus.targets_of, bank)
    scores, seconds = examined.scores(), None
    if texts:
        composer = Inverter.load(run.bundle).composer
        if composer is None:
            raise ConfigError(f"{run.bundle} has no phrases to compose prompts of: `fit.phrases`")
        found, seconds = score_texts(examined, composer, texts)
        scores.append(found)
    error = None
    if examined.expected is not None:
        error = calibration_error(measure_reliability(examined.expected, examined.cosines))
    seen = trained_on(run.bundle / ENCODER)
    foreign = seen is not None and seen != config.build.corpus.held_out_digest
    near = rows_near_held_out(PromptIndex.load(run.bundle / INDEX), corpus)
    leaks = {
        "threshold": threshold,
        "highest_cosine": highest,
        "rows_near_held_out": len(near),
        "tower_of_another_corpus": foreign,
    }
    sources = examined.rows.select("prompt_id").join(
        corpus.prompts.select("prompt_id", "source"), on="prompt_id", how="left",
        maintain_order="left",
    )["source"]  # fmt: skip
    kept = corpus.report["kept"]
    return Evaluation(examined, scores, sources, {**leaks, **kept}, error, seconds)


def _text_bank(run: BuildRun, corpus: Corpus) -> TextBank | None:
    output = run.config.encoder.output
    if output == "prediction":
        return None  # the prompts' own vectors are one
    if output != "embedding":
        raise ConfigError(
            "--text-bank needs a tower whose vectors lie in one space with texts: "
            f"`encoder.output: embedding` or a trained one's `prediction`, this run has {output!r}"
        )
    run.embed_texts()
    found = read_embeddings(run.text_embeddings)
    keys = to_unit_length(np.asarray(found.vectors))
    return TextBank(keys, corpus.targets_of(found.rows["prompt_id"]))


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
    corpus = read_corpus(run.corpus)
    trained = export_folder(folder) if config.train is not None else None
    blend = fit_bundle(
        run.bundle, run.image_embeddings, corpus.targets_of, config.fit, trained, progress
    )
    _write_card(run, blend)
    manifest = read_index_manifest(run.bundle / INDEX)
    seal_bundle(run.bundle, config.build.name, manifest.space, manifest.target_space)
    ledger.finish(FIT, settings)
    progress.note(f"bundle: {run.bundle}")


def _fit_settings(run: BuildRun, config: RunConfig) -> dict[str, Any]:
    return {**run.settings("index"), FIT: write_settings(config.fit)}


def _write_card(run: BuildRun, blend: Blend) -> None:
    manifest = read_index_manifest(run.bundle / INDEX)
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
    with write_atomically(run.bundle / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
