"""`unprompt make ...`: files and settings -> a file of made prompts, and a line about it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.build.make.captions import PromptVectors, encode_captions, read_captions
from unprompt.build.make.chain import ChainConfig, chain_captions
from unprompt.build.make.clusters import cluster_count, cluster_vectors
from unprompt.build.make.combine import CombineConfig, combine_terms
from unprompt.build.make.extract import extract_terms
from unprompt.build.make.made import Made, MadeFile
from unprompt.build.make.modify import ModifyConfig, find_modifiers, modify_captions
from unprompt.build.make.terms import read_terms, shipped_terms, write_terms
from unprompt.index.base.durable import digest_file
from unprompt.index.base.errors import ConfigError, CorpusError
from unprompt.index.base.progress import Progress
from unprompt.index.base.settings import write_settings
from unprompt.index.base.terms import read_terms as read_banned
from unprompt.inversion.compose import ban_list as ban
from unprompt.ui.jobs.progress import choose_progress


@dataclass(frozen=True)
class Source:
    """Prompt files and the column to read."""

    paths: Sequence[Path]
    column: str | None = None


@dataclass(frozen=True)
class Destination:
    """The file to write, and how to speak about it."""

    path: Path
    overwrite: bool = False
    as_json: bool = False
    vectors: Path | None = None  # where encoded prompts are kept; beside the file if left out

    @property
    def vectors_folder(self) -> Path:
        """Where vectors are kept, so that a rerun and other commands need not encode again."""
        return self.vectors or self.path.with_name(f"{self.path.stem}.vectors")


def run_chain(captions: Source, config: ChainConfig, to: Destination) -> None:
    """Chains of captions across clusters, or within."""

    def make(progress: Progress) -> Made:
        read = read_captions(captions.paths, captions.column)
        clusters = cluster_count(read.table.height, config.clusters)
        vectors = encode(read.table, to, progress)
        labels = cluster_vectors(vectors, clusters, config.seed, progress)
        return chain_captions(read.table["prompt"].to_list(), labels, config, progress)

    finish(to, settings_of("chain", config, captions), make, config.count)


def run_combine(terms: Path | None, only: bool, config: CombineConfig, to: Destination) -> None:
    """Templates filled with terms: the shipped ones, a folder's over them, or a folder's only."""
    shipped = shipped_terms()
    used = shipped if terms is None else read_terms(terms, None if only else shipped)
    settings = {"method": "combine", "config": write_settings(config), "terms": used._asdict()}
    finish(to, settings, lambda progress: combine_terms(used, config, progress), config.count)


def run_modify(
    captions: Source, corpus: Source, bans: Sequence[str], config: ModifyConfig, to: Destination
) -> None:
    """Captions with the modifiers of a corpus appended."""
    banned = read_banned(bans)

    def make(progress: Progress) -> Made:
        prompts = read_captions(corpus.paths, corpus.column).table["prompt"]
        modifiers = find_modifiers(prompts, config, ban.BanList(banned).hits)
        read = read_captions(captions.paths, captions.column)
        return modify_captions(read.table["prompt"].to_list(), modifiers, config, progress)

    settings = {
        **settings_of("modify", config, captions),
        "corpus": inputs_of(corpus),
        "banned": list(banned),
    }
    finish(to, settings, make, config.count)


def run_terms(corpus: Source, folder: Path, overwrite: bool, as_json: bool) -> None:
    """Word lists of a corpus, to look at and to combine."""
    if not overwrite and folder.is_dir() and any(folder.glob("*.txt")):
        raise ConfigError(
            f"{folder} holds term lists already; choose another --output, or --overwrite them"
        )
    terms = extract_terms(read_captions(corpus.paths, corpus.column).table["prompt"])
    write_terms(folder, terms)
    counts = {slot: len(found) for slot, found in terms.items()}
    if as_json:
        print(json.dumps({"folder": str(folder), "terms": counts}, indent=2))
    else:
        print("\n".join(f"{count:>6} {folder / slot}.txt" for slot, count in counts.items()))


def finish(
    to: Destination,
    settings: Mapping[str, Any],
    make: Callable[[Progress], Made],
    wanted: int | None,
) -> None:
    """Make the file unless these settings made it already; say what it holds."""
    file, progress = MadeFile(to.path, to.overwrite), choose_progress()
    found = file.finished(settings)
    if found is None:
        made = make(progress)
        if made.table.is_empty():
            raise CorpusError(f"no prompt could be made: {json.dumps(dict(made.report))}")
        found = file.write(made, settings)
    else:
        progress.note(f"{to.path} was made before with the same settings")
    if to.as_json:
        told = {name: value for name, value in found.items() if name not in ("digest", "settings")}
        print(json.dumps({**told, "file": str(to.path)}, indent=2))
        return
    short = f" of the {wanted} wanted" if wanted and found["prompts"] < wanted else ""
    progress.note(f"{found['prompts']} prompts{short}; {_figures(found['report'])}")
    print(to.path)


def encode(prompts: Any, to: Destination, progress: Progress) -> PromptVectors:
    """The vectors of a PROMPTS table, kept on disk."""
    from unprompt.index.prompt_encoders.target_encoder import load_prompt_runtime

    return encode_captions(to.vectors_folder, prompts, load_prompt_runtime(), progress)


def settings_of(method: str, config: Any, source: Source) -> dict[str, Any]:
    """All that decides what a method makes."""
    return {"method": method, "config": write_settings(config), "inputs": inputs_of(source)}


def inputs_of(source: Source) -> dict[str, Any]:
    """Files by their content, and the column."""
    for path in source.paths:
        if not path.is_file():
            raise CorpusError(f"there is no prompt file {path}")
    return {"sha256": [digest_file(path) for path in source.paths], "column": source.column}


def _figures(report: Mapping[str, Any]) -> str:
    flat = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in report.items()
        if not isinstance(value, Mapping)
    ]
    return ", ".join(flat)
