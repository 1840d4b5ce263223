"""`unprompt tune`: finished runs -> a tuned blend in their bundle, and a table of the trials."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unprompt.build.corpus.corpus import read_corpus
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.settings import read_settings, write_settings
from unprompt.index.bundle.bundle import read_bundle
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.inversion.estimate.blend import Blend
from unprompt.inversion.fit.ensemble import FinishedRun, tune_runs, write_tuned
from unprompt.inversion.fit.tune import FitConfig
from unprompt.ui.jobs.config import override_setting


def run_tune(
    folders: Sequence[Path], output: Path | None, settings: Sequence[str], as_json: bool
) -> None:
    """Tune one run in place, or several into a new bundle; print the trials."""
    runs = [_finished(folder) for folder in folders]
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise ConfigError(f"two runs have the same folder name: {', '.join(names)}; rename one")
    if len(runs) > 1 and output is None:
        raise ConfigError("several runs make a new bundle; name its folder with --output")
    content: dict[str, Any] = {}
    for setting in settings:
        override_setting(content, setting.strip().removeprefix("fit."))
    config = read_settings(FitConfig, content, "--set")
    tuned = tune_runs(runs, config)
    bundle = output or runs[0].bundle
    name = read_bundle(runs[0].bundle).name if len(runs) == 1 else bundle.name
    write_tuned(tuned, runs, bundle, name)
    if as_json:
        report = {
            "bundle": str(bundle),
            "blend": write_settings(tuned.blend),
            "calibration_error": tuned.confidence.calibration_error,
        }
        print(json.dumps(report, indent=2))
        return
    print(trials_table(tuned.blend))
    print(f"\n{bundle}: validation cosine {tuned.blend.validation_cosine:.4f}, calibration error ")
    print(f"{tuned.confidence.calibration_error:.4f}")


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
    targets = read_corpus(run.corpus).targets_of
    return FinishedRun(folder.name, run.bundle, run.image_embeddings, targets)
