"""A run, and other runs that its training names -> pairs of pictures and prompt vectors.

Prompts of other runs near to a validation or test prompt of this run are left out, and listed in
left_out.parquet (LEFT_OUT of `unprompt.build.corpus.leaks`, by run).
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unprompt.build.corpus.corpus import Corpus, read_corpus
from unprompt.build.corpus.leaks import leave_out_leaks
from unprompt.build.pipeline import pictures_of
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.stages import StageLedger
from unprompt.index.base.tables import write_table
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.encoders.protocols import check_same_space
from unprompt.inversion.train.config import StageConfig
from unprompt.inversion.train.data.pairs import Pairs, TrainingData, collect_pairs
from unprompt.ui.jobs.run import Run

LEFT_OUT_FILE = "left_out.parquet"


def collect_data(
    run: Run, stages: Sequence[StageConfig], report: Path | None = None
) -> TrainingData:
    """The pairs of each stage and of validation.

    Where a stage names another run, the rows left out of it are written into the folder `report`,
    if one is given, and counted in a note. Raises ConfigError for a run without pictures.
    """
    folder = run.folder.path
    own = read_corpus(run.folder.corpus)
    found: dict[Path, Pairs] = {}
    left_out = []
    for stage in stages:
        place = _place(folder, stage)
        if place in found:
            continue
        if place == folder:
            found[place] = collect_pairs(run.images, own.prompts, "train", own.targets_of)
            continue
        lent = _open(place, own)
        limit = run.config.corpus.leak_threshold
        kept, leaks = leave_out_leaks(lent, own, limit)
        left_out.append(leaks.select(pl.lit(str(place)).alias("run"), pl.all()))
        asked = int((lent.prompts["split"] == "train").sum())
        run.progress.note(
            f"{place}: {leaks.height} of {asked} train prompts left out, within cosine {limit} of "
            "a held-out prompt of this run"
        )
        found[place] = collect_pairs(pictures_of(RunFolder(place)), kept, "train", lent.targets_of)
    if left_out and report is not None:
        write_table(report / LEFT_OUT_FILE, pl.concat(left_out))
    validation = collect_pairs(run.images, own.prompts, "validation", own.targets_of)
    return TrainingData(
        tuple(found[_place(folder, stage)] for stage in stages),
        validation,
        own.report["target_space"],
        run.config.corpus.held_out_digest,
    )


def _place(folder: Path, stage: StageConfig) -> Path:
    """The run folder that a stage learns from."""
    if stage.run is None or Path(stage.run).resolve() == folder.resolve():
        return folder
    return Path(stage.run)


def _open(place: Path, own: Corpus) -> Corpus:
    """The corpus of another run; raises ConfigError where its pictures are not made."""
    if not StageLedger(place).is_done("images"):
        raise ConfigError(
            f"a stage's `run` names {place}, where the stage images is not done; run `unprompt "
            f"build CONFIG --output {place} --stage corpus --stage images` with its own config"
        )
    lent = read_corpus(RunFolder(place).corpus)
    check_same_space(
        own.report["target_space"],
        lent.report["target_space"],
        f"the corpus of {place}",
        "Build both runs with the same prompt encoder.",
    )
    return lent
