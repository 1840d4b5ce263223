"""A preset or YAML file -> a run folder with a sealed bundle; and the scores of such a run."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from unprompt.build.config import BuildConfig
from unprompt.build.corpus import read_corpus
from unprompt.build.leaks import check_leaks
from unprompt.build.pipeline import STAGES, BuildRun
from unprompt.index.bundle import CARD, INDEX, seal_bundle
from unprompt.index.durable import write_atomically
from unprompt.index.encoders import to_unit_length
from unprompt.index.errors import ConfigError
from unprompt.index.manifest import read_index_manifest
from unprompt.index.progress import SILENT, Progress
from unprompt.index.settings import STRICT, read_settings, write_settings
from unprompt.index.stages import StageLedger
from unprompt.inversion.blend import Blend
from unprompt.inversion.evaluate import MethodScore, evaluate_run
from unprompt.inversion.fit import FitConfig, fit_bundle

FIT = "fit"
ALL_STAGES = (*STAGES, FIT)


@dataclass(frozen=True, config=STRICT)
class RunConfig:
    """What `unprompt build` reads: the build's sections, and how the answer is fitted."""

    build: BuildConfig
    fit: FitConfig = Field(default_factory=FitConfig)


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    folder = files("unprompt.build.presets")
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_config(name: str, overrides: Sequence[str] = ()) -> RunConfig:
    """A preset by name or a YAML file by path, with `section.key=value` overrides on top.

    Raises ConfigError for an unknown preset, a missing file or settings that cannot work.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"there is no config file {path}")
        text = _read_text(path)
    elif name in preset_names():
        text = (files("unprompt.build.presets") / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"{name!r} is neither a preset ({', '.join(preset_names())}) nor a .yaml file"
        )
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must hold sections such as `corpus:`, got {content!r}")
    content.setdefault("name", path.stem)
    for override in overrides:
        _set(content, override)
    fit = content.pop(FIT, None) or {}
    return RunConfig(
        read_settings(BuildConfig, content, name), read_settings(FitConfig, fit, f"{name} fit")
    )


def build_run(
    folder: Path,
    config: RunConfig,
    stages: Sequence[str] = ALL_STAGES,
    retry_failed: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Run what is not done of `stages` in `folder`; returns the bundle's folder."""
    unknown = sorted(set(stages) - set(ALL_STAGES))
    if unknown:
        raise ConfigError(f"unknown stage {unknown[0]!r}; stages are {', '.join(ALL_STAGES)}")
    run = BuildRun(folder, config.build, progress)
    run.build([stage for stage in stages if stage in STAGES], retry_failed)
    if FIT in stages:
        _fit(run, config, retry_failed, progress)
    return run.bundle


def discard_changed(folder: Path, config: RunConfig) -> None:
    """Delete the stages of a run that other settings made, and all that came after them."""
    run = BuildRun(folder, config.build)
    run.discard_changed(later=[FIT])
    ledger = StageLedger(folder)
    if ledger.differs(FIT, _fit_settings(run, config)):
        ledger.forget(FIT)


def score_run(folder: Path, config: RunConfig) -> tuple[list[MethodScore], dict[str, Any]]:
    """Scores of a finished run's methods, and the leak check between its splits."""
    run = BuildRun(folder, config.build)
    corpus = read_corpus(run.corpus)
    threshold = config.build.corpus.leak_threshold
    highest = check_leaks(corpus.prompts, to_unit_length(corpus.targets), threshold)
    scores = evaluate_run(run.bundle, run.image_embeddings, corpus.targets_of)
    return scores, {"threshold": threshold, "highest_cosine": highest, **corpus.report["kept"]}


def _fit(run: BuildRun, config: RunConfig, again: bool, progress: Progress) -> None:
    ledger = StageLedger(run.folder)
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
    blend = fit_bundle(run.bundle, run.image_embeddings, corpus.targets_of, config.fit, progress)
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
    lines = [
        f"# {config.name}",
        "",
        f"- index: {manifest.ntotal} rows of {manifest.prompts} prompts, keys {manifest.keys}, "
        f"factory string `{manifest.factory}`",
        f"- corpus source: {config.corpus.source}; renderer: {config.render.renderer}",
        f"- encoder: {config.encoder.model}, space `{manifest.space}`",
        f"- targets: all-MiniLM-L6-v2, space `{manifest.target_space}`",
        f"- blend: alpha {blend.alpha:.2f}, k {blend.knn.k}; mean cosine on "
        f"{blend.validation_queries} validation pictures {blend.validation_cosine:.4f}",
    ]
    if config.corpus.source == "scenes":
        lines.append("- drawings: OpenMoji, CC BY-SA 4.0, https://openmoji.org")
    with write_atomically(run.bundle / CARD) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _set(content: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set takes section.key=value, got {override!r}")
    *sections, last = name.strip().split(".")
    place: Any = content
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, Mapping):
            raise ConfigError(f"--set {override}: {section} is not a section")
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML: {error}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config file {path}: {error}") from error
