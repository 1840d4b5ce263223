"""Labelled pairs and a bank of prompts -> the bundle of a world, fitted and calibrated.

Every tower of the config is a member: frozen features and a kernel regression. The main member
searches the bank with what its regression predicts; one member may search ImageNet classes. All
figures are of pictures whose source was left out.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.safe.plain_files import check_inside
from unprompt.index.bundle.bundle import (
    BLEND,
    CARD,
    CONFIDENCE,
    ENCODER,
    HEAD,
    INDEX,
    PHRASES,
    seal_bundle,
)
from unprompt.index.encoders.protocols import BulkEncoder, EncoderConfig, PromptEncoder
from unprompt.index.exported.export import export_encoder, load_encoder
from unprompt.index.sealed.records import check_files
from unprompt.index.store.manifest import MANIFEST, read_index_manifest
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.inversion.compose.phrases import LIST, VECTORS
from unprompt.inversion.estimate.blend import MAIN, save_blend
from unprompt.inversion.estimate.confidence import save_confidence
from unprompt.inversion.estimate.head import HeadDescription
from unprompt.inversion.estimate.kernel_head import KernelHead
from unprompt.inversion.estimate.member import member_folder
from unprompt.inversion.fit.by_prompt import PromptScore, score_prompts
from unprompt.inversion.fit.pairs.classes import write_classes
from unprompt.inversion.fit.pairs.config import PairsConfig
from unprompt.inversion.fit.pairs.held_out import HeldOut, fit_tower, predict_held_out
from unprompt.inversion.fit.pairs.rows import PairRows
from unprompt.inversion.fit.pairs.tuning import (
    TunedWorld,
    described,
    tune_world,
    write_validation,
)


def export_towers(folder: Path, config: PairsConfig) -> Mapping[str, BulkEncoder]:
    """Export the towers of all members into the bundle `folder` and load them, by their name."""
    loaded = {}
    for tower in config.towers:
        place = _member(folder, config, tower) / ENCODER
        export_encoder(EncoderConfig(model=tower, output="features", storage="int8"), place)
        loaded[tower] = load_encoder(place)
    return loaded


def fit_world(
    folder: Path,
    rows: PairRows,
    encoders: Mapping[str, BulkEncoder],
    bank: Path,
    prompts: PromptEncoder,
    config: PairsConfig,
    extra: PairRows | None = None,
    progress: Progress = SILENT,
) -> list[PromptScore]:
    """Fit all members on `rows`, tune and calibrate them, and seal the bundle in `folder`.

    `bank` holds the folders index and phrases that `unprompt index prompts` writes. `extra` rows
    only support the fit. Returns the scores of each source that was left out, then their mean.
    """
    _copy_bank(bank, folder)
    indexes = [PromptIndex.load(folder / INDEX)]
    for tower in config.towers[1:]:
        place = _member(folder, config, tower) / INDEX
        if tower == config.classes:
            write_classes(place, tower, encoders[tower], prompts)
        indexes.append(PromptIndex.load(place) if place.is_dir() else indexes[0])
    held = predict_held_out(rows, config, extra, progress)
    described_heads = {
        tower: HeadDescription(
            "kernel", encoders[tower].space, prompts.space, config.kernel.penalty, len(rows), 0.0
        )
        for tower in config.towers
    }
    tuned = tune_world(rows, held, indexes, described_heads, config.tuned_rows)
    save_blend(folder / BLEND, tuned.blend)
    save_confidence(folder / CONFIDENCE, tuned.confidence)
    write_validation(folder, rows, held, tuned.estimates)
    weights = rows.weigh(config.weights)
    truth = rows.targets[held.rows]
    for tower in progress.track(config.towers, "fit on all pairs", len(config.towers)):
        cosine = float(np.einsum("nd,nd->n", held.predictions[tower], truth).mean())
        fitted = fit_tower(rows, tower, weights, config, extra)
        place = _member(folder, config, tower) / HEAD
        KernelHead(fitted, described(described_heads[tower], cosine)).save(place)
    scores = score_held_out(rows, held, tuned)
    _write_card(folder, rows, extra, config, scores, tuned)
    seal_bundle(folder, folder.name, encoders[config.towers[0]].space, prompts.space)
    return scores


def score_held_out(rows: PairRows, held: HeldOut, tuned: TunedWorld) -> list[PromptScore]:
    """The answers' mean cosine by source, and last over the sources (photographs apart)."""
    tested, truth = rows.take(held.rows), rows.targets[held.rows]
    cosines = np.einsum("nd,nd->n", tuned.estimates.blend, truth).astype(np.float64)
    sources = np.where(tested.photographs, "photographs", tested.sources)
    scores = [
        score_prompts(str(name), cosines[own], tested.prompts[own])
        for name in np.unique(sources)
        for own in [sources == name]
    ]
    return scores


def mean_over_sources(scores: list[PromptScore]) -> float:
    """The mean of the sources' means, without photographs."""
    found = [score.mean_cosine for score in scores if score.name != "photographs"]
    return float(np.mean(found))


def _member(folder: Path, config: PairsConfig, tower: str) -> Path:
    return member_folder(folder, MAIN if tower == config.towers[0] else tower)


def _copy_bank(bank: Path, folder: Path) -> None:
    for part in (INDEX, PHRASES):
        shutil.rmtree(folder / part, ignore_errors=True)
    manifest = read_index_manifest(bank / INDEX)
    check_files(bank / INDEX, manifest.files, "Make the bank again: `unprompt index prompts`.")
    named = [f"{INDEX}/{name}" for name in (MANIFEST, *manifest.files)]
    if (bank / PHRASES).is_dir():
        named += [f"{PHRASES}/{name}" for name in (LIST, VECTORS)]
    for name in named:
        check_inside(bank / name, bank)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bank / name, folder / name)


def _write_card(
    folder: Path,
    rows: PairRows,
    extra: PairRows | None,
    config: PairsConfig,
    scores: list[PromptScore],
    tuned: TunedWorld,
) -> None:
    sources, counts = np.unique(rows.sources, return_counts=True)
    lines = [
        f"# {folder.name}",
        "",
        f"- members: {', '.join(config.towers)}, frozen, with a kernel regression each",
        f"- fitted on {len(rows)} pictures of {len(np.unique(rows.prompts))} prompts from "
        f"{len(sources)} sources; no picture and no prompt of them is part of the bundle",
        f"- supported by {len(extra) if extra is not None else 0} made pictures",
        f"- blend: alpha {tuned.blend.alpha:.2f}; mean cosine over the sources, each left out in "
        f"turn: {mean_over_sources(scores):.4f}",
        "",
        "| source | pictures | cosine when left out |",
        "| --- | ---: | ---: |",
    ]
    found = {score.name: score.mean_cosine for score in scores}
    for source, count in zip(sources.tolist(), counts.tolist(), strict=True):
        cosine = f"{found[source]:.3f}" if source in found else "always trains"
        lines.append(f"| {source} | {count} | {cosine} |")
    with write_atomically(folder / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
