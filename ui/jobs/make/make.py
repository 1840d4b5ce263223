"""`unprompt make METHOD`: prompt files and settings -> a file of made prompts, and a summary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.cleaning.normalize import make_prompts_table
from unprompt.build.corpus.corpus import read_corpus
from unprompt.build.make import mine
from unprompt.build.make.captions import (
    PromptVectors,
    cluster_count,
    cluster_vectors,
    encode_captions,
    read_captions,
)
from unprompt.build.make.chain import ChainConfig, chain_captions
from unprompt.build.make.combine import CombineConfig, combine_terms
from unprompt.build.make.difficulty import check_enough, fit_difficulty, measure_difficulty
from unprompt.build.make.extract_terms import extract_terms
from unprompt.build.make.modify import ModifyConfig, find_modifiers, modify_captions
from unprompt.build.make.prompt_file import MadePrompts, PromptFile
from unprompt.build.make.terms import read_term_lists, shipped_term_lists, write_term_lists
from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.owner import owned
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.terms import read_terms
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.compose.ban_list import BanList
from unprompt.ui.jobs.evaluation.cosines import write_cosines
from unprompt.ui.jobs.progress import choose_progress


@dataclass(frozen=True)
class PromptSource:
    """Prompt files, and the column that holds the prompts."""

    paths: Sequence[Path]
    column: str | None = None

    def read(self) -> pl.DataFrame:
        """The prompts as a PROMPTS table."""
        return read_captions(self.paths, self.column)

    def identity(self) -> dict[str, Any]:
        """The digests of the files and the column; raises CorpusError for a missing file."""
        for path in self.paths:
            if not path.is_file():
                raise CorpusError(f"there is no prompt file {path}")
        return {"sha256": [digest_file(path) for path in self.paths], "column": self.column}


@dataclass(frozen=True)
class Destination:
    """The file to write, and how to report it."""

    path: Path
    overwrite: bool = False
    as_json: bool = False
    vectors: Path | None = None  # folder of encoded prompts; None: beside the file

    def encode(self, prompts: pl.DataFrame, progress: Progress) -> PromptVectors:
        """The vectors of a PROMPTS table, kept on disk for reruns and other commands."""
        from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder

        folder = self.vectors or self.path.with_name(f"{self.path.stem}.vectors")
        with owned(folder):
            return encode_captions(folder, prompts, load_bulk_prompt_encoder(), progress)


@dataclass(frozen=True)
class KnownCosines:
    """Prompts with known cosines: those of a finished run, or of a file (prompt, cosine)."""

    run: Path | None = None
    cosines: Path | None = None

    def __post_init__(self) -> None:
        if (self.run is None) == (self.cosines is None):
            raise ConfigError("mining needs one of --run and --cosines")

    def file(self, splits: Sequence[str]) -> Path:
        """The file of cosines; that of a run is always written again, from its current bundle."""
        if self.run is not None:
            return write_cosines(RunFolder(self.run), splits)
        if self.cosines is None or not self.cosines.is_file():
            raise CorpusError(f"there is no file of cosines {self.cosines}")
        return self.cosines

    def without(self, candidates: pl.DataFrame, answered: pl.DataFrame) -> pl.DataFrame:
        """Candidates that have no cosine and are not in the corpus of the run (PROMPTS)."""
        known = answered["prompt_id"]
        if self.run is not None:
            known = pl.concat([known, read_corpus(RunFolder(self.run).corpus).prompts["prompt_id"]])
        fresh = candidates.filter(~pl.col("prompt_id").is_in(known.implode()))
        if fresh.is_empty():
            raise CorpusError(f"all {candidates.height} candidates are known already; give others")
        return fresh


def run_chain(captions: PromptSource, config: ChainConfig, to: Destination) -> None:
    """Make chains of captions of different clusters, or of one."""

    def make(progress: Progress) -> MadePrompts:
        table = captions.read()
        clusters = cluster_count(table.height, config.clusters)
        labels = cluster_vectors(to.encode(table, progress), clusters, config.seed, progress)
        return chain_captions(table["prompt"].to_list(), labels, config, progress)

    make_once(to, settings_of("chain", config, captions), make, config.count)


def run_combine(terms: Path | None, only: bool, config: CombineConfig, to: Destination) -> None:
    """Fill templates: with the shipped lists, a folder's lists over them, or only the folder's."""
    shipped = shipped_term_lists()
    used = shipped if terms is None else read_term_lists(terms, None if only else shipped)
    settings = {"method": "combine", "config": write_settings(config), "terms": used._asdict()}
    make_once(to, settings, lambda progress: combine_terms(used, config, progress), config.count)


def run_modify(
    captions: PromptSource,
    corpus: PromptSource,
    bans: Sequence[str],
    config: ModifyConfig,
    to: Destination,
) -> None:
    """Append the modifiers of a corpus to captions."""
    banned = read_terms(bans)

    def make(progress: Progress) -> MadePrompts:
        modifiers = find_modifiers(corpus.read()["prompt"], config, BanList(banned).hits)
        return modify_captions(captions.read()["prompt"].to_list(), modifiers, config, progress)

    settings = {
        **settings_of("modify", config, captions),
        "corpus": corpus.identity(),
        "banned": list(banned),
    }
    make_once(to, settings, make, config.count)


def run_terms(corpus: PromptSource, folder: Path, overwrite: bool, as_json: bool) -> None:
    """Write the term lists of a corpus, to edit and to combine."""
    with owned(folder):
        if not overwrite and folder.is_dir() and any(folder.glob("*.txt")):
            raise ConfigError(
                f"{folder} holds term lists already; choose another --output, or --overwrite them"
            )
        terms = extract_terms(corpus.read()["prompt"])
        write_term_lists(folder, terms)
    counts = {slot: len(found) for slot, found in terms.items()}
    if as_json:
        print(json_text({"folder": str(folder), "terms": counts}, indent=2))
    else:
        print("\n".join(f"{count:>6} {folder / slot}.txt" for slot, count in counts.items()))


def run_mine(
    candidates: PromptSource,
    known: KnownCosines,
    reference: PromptSource,
    config: mine.MineConfig,
    to: Destination,
) -> None:
    """Fit a model of difficulty to known cosines, report its quality, choose hard candidates."""
    path = known.file(config.splits)

    def make(progress: Progress) -> MadePrompts:
        reached = mine.read_cosines(path, config.splits)
        check_enough(reached.height)
        table = make_prompts_table(reached.with_columns(pl.lit("known").alias("source")))
        joined = table.join(reached, on="prompt", how="left", maintain_order="left")
        cosines = joined["cosine"].to_numpy()
        vectors = to.encode(table, progress).whole()
        quality = measure_difficulty(vectors, cosines, mine.held_out_half(len(cosines)))
        progress.note(
            f"{quality.model}: correlation {quality.pearson:.3f}, of ranks {quality.spearman:.3f} "
            f"on {quality.measured_on} held-out prompts"
        )
        difficulty = fit_difficulty(vectors, cosines)
        read = candidates.read()
        fresh = known.without(read, table)
        near = None
        if reference.paths:
            prompts = reference.read()
            near = mine.ReferencePrompts(prompts, to.encode(prompts, progress).whole())
        encoded = to.encode(fresh, progress)
        made = mine.mine_prompts(fresh, encoded, difficulty, config, near, progress)
        report = {**made.report, "known": read.height - fresh.height, "model": quality.as_json()}
        return MadePrompts(made.table, report)

    settings = {
        **settings_of(mine.METHOD, config, candidates),
        "cosines": digest_file(path),
        "reference": reference.identity() if reference.paths else None,
    }
    make_once(to, settings, make, config.count)


def make_once(
    to: Destination,
    settings: Mapping[str, Any],
    make: Callable[[Progress], MadePrompts],
    wanted: int | None,
) -> None:
    """Make the file, unless these settings made it already; print what it holds."""
    file, progress = PromptFile(to.path, to.overwrite), choose_progress()
    with owned(to.path, file.marker):  # files of one name share the marker
        found = file.finished(settings)
        if found is None:
            made = make(progress)
            if made.table.is_empty():
                raise CorpusError(f"no prompt could be made: {json_text(dict(made.report))}")
            found = file.write(made, settings)
        else:
            progress.note(f"{to.path} was made before with the same settings")
    if to.as_json:
        told = {name: value for name, value in found.items() if name not in ("digest", "settings")}
        print(json_text({**told, "file": str(to.path)}, indent=2))
        return
    short = f" of the {wanted} wanted" if wanted and found["prompts"] < wanted else ""
    counts = ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in found["report"].items()
        if not isinstance(value, Mapping)
    )
    progress.note(f"{found['prompts']} prompts{short}; {counts}")
    print(to.path)


def settings_of(method: str, config: Any, source: PromptSource) -> dict[str, Any]:
    """The settings and inputs that decide what a method makes."""
    return {"method": method, "config": write_settings(config), "inputs": source.identity()}
