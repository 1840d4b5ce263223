"""`unprompt tune`: finished runs -> a tuned bundle, and a table of the trials."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.pipeline import pictures_of
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.base.settings import read_settings, write_settings
from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.fit.ensemble import tune_runs, write_tuned
from unprompt.inversion.fit.runs import FinishedRun, group_runs
from unprompt.inversion.fit.tune import FitConfig, TuningResult
from unprompt.ui.jobs.config import override_setting
from unprompt.ui.jobs.join import join_groups


def run_tune(
    folders: Sequence[Path], output: Path | None, settings: Sequence[str], as_json: bool
) -> None:
    """Tune one run in place, or several into a new bundle; print the trials.

    Runs over one corpus become an ensemble. Runs over several become worlds, or an ensemble where
    that is better.
    """
    runs = [_finished(folder) for folder in folders]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise ConfigError(f"two runs have the same folder name: {', '.join(names)}; rename one")
    if len(runs) > 1 and output is None:
        raise ConfigError("several runs make a new bundle; name its folder with --output")
    if output is not None and output.exists() and any(output.iterdir()):
        raise ConfigError(f"{output} is not empty; name another --output")
    content: dict[str, Any] = {}
    for setting in settings:
        override_setting(content, setting.strip().removeprefix("fit."))
    config = read_settings(FitConfig, content, "--set")
    with owned(output or folders[0]):
        _tune(runs, output, config, as_json)


def _tune(
    runs: Sequence[FinishedRun], output: Path | None, config: FitConfig, as_json: bool
) -> None:
    groups = group_runs(runs)
    if len(groups) > 1 and output is not None:
        join_groups(groups, output, config, as_json)
        return
    tuned = tune_runs(runs, config)
    bundle = output or runs[0].bundle
    name = read_bundle(runs[0].bundle, verify=False).name if len(runs) == 1 else bundle.name
    write_tuned(tuned, runs, bundle, name)
    print(_as_json(tuned, bundle) if as_json else _as_text(tuned, bundle))


def _as_json(tuned: TuningResult, bundle: Path) -> str:
    report = {
        "bundle": str(bundle),
        "blend": write_settings(tuned.blend),
        "calibration_error": tuned.confidence.calibration_error,
    }
    return json_text(report, indent=2)


def _as_text(tuned: TuningResult, bundle: Path) -> str:
    return (
        f"{trials_table(tuned.blend)}\n\n{bundle}: validation cosine "
        f"{tuned.blend.validation_cosine:.4f}, calibration error "
        f"{tuned.confidence.calibration_error:.4f}"
    )


def trials_table(blend: Blend) -> str:
    """The trials as a Markdown table."""
    lines = ["| choice | validation cosine | gain | kept |", "| --- | ---: | ---: | --- |"]
    lines += [
        f"| {trial.what} | {trial.validation_cosine:.4f} | {trial.gain:+.4f} "
        f"| {'yes' if trial.kept else 'no'} |"
        for trial in blend.tried
    ]
    return "\n".join(lines)


def _finished(folder: Path) -> FinishedRun:
    run = RunFolder(folder)
    run.require_finished()
    corpus = read_corpus(run.corpus)
    return FinishedRun(folder.name, run.bundle, run.image_embeddings, pictures_of(run), corpus)
