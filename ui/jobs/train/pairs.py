"""`unprompt train pairs`: folders of labelled pairs and a bank of prompts -> a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.owner import owned
from unprompt.index.base.settings import read_settings
from unprompt.index.bundle.bundle import INDEX
from unprompt.index.pairs.labelled_pairs import open_labelled_pairs
from unprompt.index.sealed.seal import SEAL
from unprompt.index.texts.json_text import json_text
from unprompt.inversion.fit.by_prompt import PromptScore
from unprompt.inversion.fit.pairs.config import PairsConfig
from unprompt.ui.jobs.config import override_setting
from unprompt.ui.jobs.progress import choose_progress

CACHE = "vectors"  # beside the bundle, so that a rerun continues


@dataclass(frozen=True)
class PairFolders:
    """What a world is fitted on."""

    pairs: Sequence[Path]  # folders or tables of labelled pairs
    extra: Sequence[Path]  # the same, of pictures that only support the fit
    bank: Path  # of `unprompt index prompts`


def load_pairs_config(name: str | None, settings: Sequence[str] = ()) -> PairsConfig:
    """The preset `real`, a YAML file, or the defaults, with overrides `key=value`.

    Raises ConfigError for a name that is neither, and for invalid settings.
    """
    content: dict[str, Any] = {}
    if name == "real":
        text = (files("unprompt.inversion.fit.pairs") / "real.yaml").read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    elif name is not None:
        if not Path(name).is_file():
            raise ConfigError(f"--config takes the preset real or a YAML file, got {name!r}")
        content = yaml.safe_load(Path(name).read_text(encoding="utf-8")) or {}
    for setting in settings:
        override_setting(content, setting)
    return read_settings(PairsConfig, content, name or "--set")


def train_pairs(
    folders: PairFolders, output: Path, config: PairsConfig, limit: int | None, as_json: bool
) -> None:
    """Fit a world in the folder `output` and print its scores on sources that were left out.

    Vectors of pictures are kept in OUTPUT-vectors: a rerun after a kill does not encode them again.
    """
    cache = output.with_name(f"{output.name}-{CACHE}")
    with owned(output, cache):
        _report(output, _fit(folders, output, cache, config, limit), as_json)


def _fit(
    folders: PairFolders, output: Path, cache: Path, config: PairsConfig, limit: int | None
) -> Sequence[PromptScore]:
    from unprompt.index.prompt_encoders.target_encoder import load_bulk_prompt_encoder
    from unprompt.inversion.fit.pairs.rows import PairRows, join_rows, read_rows
    from unprompt.inversion.fit.pairs.world import export_towers, fit_world

    if (output / SEAL).is_file():
        raise ConfigError(f"{output} holds a finished bundle; choose another --output")
    if not (folders.bank / INDEX).is_dir():
        raise ConfigError(
            f"{folders.bank} holds no index of prompts; make one: `unprompt make bank -o "
            f"bank.parquet` and `unprompt index prompts bank.parquet -o {folders.bank}`"
        )
    progress = choose_progress()
    prompts = load_bulk_prompt_encoder()
    encoders = export_towers(output, config)

    def read(paths: Sequence[Path], most: int | None) -> PairRows | None:
        tables = [_whole(path, most, progress.note) for path in paths]
        found = [read_rows(table, encoders, prompts, cache, progress) for table in tables]
        return join_rows(found) if found else None

    rows = read(folders.pairs, limit)
    extra = read(folders.extra, min(limit or config.extra_pictures, config.extra_pictures))
    if rows is None:
        raise ConfigError("name at least one folder or table of pairs")
    return fit_world(output, rows, encoders, folders.bank, prompts, config, extra, progress)


def _whole(path: Path, most: int | None, note: Any) -> pl.DataFrame:
    """The usable pairs, or `most` of them, chosen by a hash of their names."""
    pairs = open_labelled_pairs(path)
    if pairs.faulty.height:
        note(f"{path}: {pairs.faulty.height} pairs lack a picture or a prompt and are left out")
    whole = pairs.whole
    if most is None or whole.height <= most:
        return whole
    order = [stable_id("pairs", name) for name in whole["name"].to_list()]
    return whole[np.sort(np.argsort(order, kind="stable")[:most])]


def _report(folder: Path, scores: Sequence[PromptScore], as_json: bool) -> None:
    from unprompt.inversion.fit.pairs.world import mean_over_sources

    mean = mean_over_sources(list(scores))
    if as_json:
        told = {"bundle": str(folder), "mean_over_sources": mean}
        print(json_text({**told, "sources": [score.as_json() for score in scores]}, indent=2))
        return
    print("| source left out | cosine | 95% interval | above 0.6 | prompts | pictures |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for score in scores:
        low, high = score.ci95
        print(
            f"| {score.name} | {score.mean_cosine:.4f} | {low:.3f} - {high:.3f} "
            f"| {score.success:.3f} | {score.prompts} | {score.pictures} |"
        )
    print(f"\n{folder}: mean over the sources {mean:.4f}")
