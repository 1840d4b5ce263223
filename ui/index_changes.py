"""`unprompt index add|remove|merge|rebuild`: an index changes; print what it became."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.bundle import SEAL
from unprompt.index.embeddings import DESCRIPTION, open_embeddings
from unprompt.index.errors import ConfigError, UnpromptError
from unprompt.index.files.segment_files import IndexContent
from unprompt.index.prompt_index import PromptIndex
from unprompt.index.rebuild import merge_indexes, read_content, rebuild_index
from unprompt.index.search.factory import IndexConfig
from unprompt.index.settings import read_settings
from unprompt.index.stages import StageLedger
from unprompt.index.towers.encoders import to_unit_length
from unprompt.index.update import Change, add_rows, remove_rows
from unprompt.ui.config import override_setting
from unprompt.ui.index_commands import find_index
from unprompt.ui.progress import choose_progress


def add_to_index(folder: Path, sources: Sequence[Path], as_json: bool) -> None:
    """Add the rows of other indexes, or of folders of embeddings."""
    place = find_index(folder)
    for source in sources:
        _report(place, add_rows(place, _content(source)), as_json)


def remove_from_index(
    folder: Path, row_ids: Sequence[int], listed: Path | None, containing: str | None, as_json: bool
) -> None:
    """Remove rows by id, or those whose prompt contains a text."""
    place = find_index(folder)
    wanted = [*row_ids, *(_read_ids(listed) if listed else [])]
    if containing:
        rows = PromptIndex.load(place).rows
        found = rows["prompt"].str.to_lowercase().str.contains(containing.lower(), literal=True)
        wanted += rows["row_id"].filter(found).to_list()
    _report(place, remove_rows(place, wanted), as_json)


def merge_into(output: Path, folders: Sequence[Path], as_json: bool) -> None:
    """Merge indexes of one encoder into a new folder."""
    change = merge_indexes([find_index(folder) for folder in folders], output)
    _report(output, change, as_json)


def rebuild(folder: Path, settings: Sequence[str], queries: Path | None, as_json: bool) -> None:
    """Train and fill anew from the kept keys, as the run of the index did unless `settings` say."""
    place = find_index(folder)
    ledger = StageLedger(place.parent.parent)
    begun = ledger.settings("index")["index"] if ledger.is_begun("index") else {}
    content: dict[str, Any] = {"index": begun}
    for setting in settings:
        override_setting(content, setting)
    unknown = set(content) - {"index"}
    if unknown:
        raise ConfigError(f"--set here takes index.NAME=value, got {unknown.pop()}.NAME=value")
    config = read_settings(IndexConfig, content["index"], "--set index")
    held_out = None if queries is None else _held_out(queries)
    _report(place, rebuild_index(place, config, held_out, choose_progress()), as_json)


def _content(source: Path) -> IndexContent:
    if not (source / DESCRIPTION).is_file():
        return read_content(find_index(source))
    from unprompt.build.grow import embedded_content
    from unprompt.index.engines.devices import load_target_encoder

    return embedded_content(source, load_target_encoder())


def _held_out(folder: Path) -> np.ndarray:
    """The validation vectors of a folder of embeddings, on which recall is measured."""
    embedded = open_embeddings(folder)
    held_out = embedded.vectors[(embedded.rows["split"] == "validation").to_numpy()]
    if not len(held_out):
        raise ConfigError(f"{folder} has no validation rows to measure recall on")
    return to_unit_length(held_out)


def _read_ids(path: Path) -> list[int]:
    """Row ids of a text file, one a line, or of a parquet file's column `row_id`."""
    try:
        if path.suffix == ".parquet":
            return list(pl.read_parquet(path, columns=["row_id"])["row_id"].to_list())
        return [int(line) for line in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise UnpromptError(
            f"{path} holds no row ids ({error}); wanted one number a line, or a parquet file with "
            "the column row_id"
        ) from error


def _report(place: Path, change: Change, as_json: bool) -> None:
    notes = list(change.notes)
    if (place.parent / SEAL).is_file() and (change.added or change.removed or change.rebuilt):
        notes.append(
            f"the blend was tuned before this change: `unprompt tune {place.parent.parent}`"
        )
    manifest = change.manifest
    if as_json:
        record: dict[str, Any] = {
            "index": str(place),
            "generation": manifest.generation,
            "rows": manifest.ntotal,
            "prompts": manifest.prompts,
            "added": change.added,
            "removed": change.removed,
            "rebuilt": change.rebuilt,
            "skipped": change.skipped,
            "notes": notes,
        }
        print(json.dumps(record))
        return
    parts = ["rebuilt"] if change.rebuilt else []
    parts += [
        f"{count:,} {name}"
        for name in ("added", "removed", "skipped")
        if (count := getattr(change, name))
    ]
    print(
        f"{place}: {', '.join(parts) or 'nothing changed'}; {manifest.ntotal:,} rows of "
        f"{manifest.prompts:,} prompts, generation {manifest.generation}"
    )
    for note in notes:
        print(f"note: {note}")
