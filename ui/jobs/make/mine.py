"""`unprompt make mine`: a finished run or a file of cosines -> the candidates that are hard."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unprompt.build.corpus.cleaning.prompts_table import make_prompts_table
from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.make.captions import read_captions
from unprompt.build.make.difficulty import check_enough, fit_difficulty, measure_difficulty
from unprompt.build.make.made import Made
from unprompt.build.make.mine import (
    METHOD,
    MineConfig,
    Reference,
    held_out_half,
    mine_prompts,
    read_cosines,
)
from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import Progress
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.ui.jobs.evaluation.cosines import write_cosines
from unprompt.ui.jobs.make.make import Destination, Source, encode, finish, inputs_of, settings_of


@dataclass(frozen=True)
class Known:
    """What was answered before: a finished run, or a file with the columns prompt and cosine."""

    run: Path | None = None
    cosines: Path | None = None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.cosines is None):
            raise ConfigError("mining needs one of --run and --cosines")

    def file(self, config: MineConfig) -> Path:
        """The file of cosines; a run's is written anew, so that it is of the bundle as it is."""
        if self.run is not None:
            return write_cosines(RunFolder(self.run), config.splits)
        if self.cosines is None or not self.cosines.is_file():
            raise CorpusError(f"there is no file of cosines {self.cosines}")
        return self.cosines

    def prompts(self, table: pl.DataFrame) -> pl.Series:
        """Ids of the prompts that need no rendering: those with a cosine, and a run's corpus."""
        ids = table["prompt_id"]
        if self.run is None:
            return ids
        return pl.concat([ids, read_corpus(RunFolder(self.run).corpus).prompts["prompt_id"]])


def run_mine(
    candidates: Source, known: Known, reference: Source, config: MineConfig, to: Destination
) -> None:
    """Learn what is hard from the known answers, state how well, choose candidates."""
    path = known.file(config)
    settings = {
        **settings_of(METHOD, config, candidates),
        "cosines": digest_file(path),
        "reference": inputs_of(reference) if reference.paths else None,
    }

    def make(progress: Progress) -> Made:
        reached = read_cosines(path, config.splits)
        check_enough(reached.height)
        table = make_prompts_table(reached.with_columns(pl.lit("known").alias("source")))
        joined = table.join(reached, on="prompt", how="left", maintain_order="left")
        cosines = joined["cosine"].to_numpy()
        vectors = encode(table, to, progress).whole()
        quality = measure_difficulty(vectors, cosines, held_out_half(len(cosines)))
        progress.note(
            f"{quality.model}: correlation {quality.pearson:.3f}, of ranks {quality.spearman:.3f} "
            f"on {quality.measured_on} held-out prompts"
        )
        difficulty = fit_difficulty(vectors, cosines)
        read = read_captions(candidates.paths, candidates.column).table
        fresh = read.filter(~pl.col("prompt_id").is_in(known.prompts(table).implode()))
        if fresh.is_empty():
            raise CorpusError(f"all {read.height} candidates are known already; give others")
        near = _reference(reference, to, progress)
        made = mine_prompts(fresh, encode(fresh, to, progress), difficulty, config, near, progress)
        report = {**made.report, "known": read.height - fresh.height, "model": quality.as_json()}
        return Made(made.table, report)

    finish(to, settings, make, config.count)


def _reference(source: Source, to: Destination, progress: Progress) -> Reference | None:
    if not source.paths:
        return None
    prompts = read_captions(source.paths, source.column).table
    return Reference(prompts, encode(prompts, to, progress).whole())
