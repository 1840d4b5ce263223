"""`unprompt index add|remove|merge|rebuild`: an index -> the changed index, and a report."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from unprompt.build.corpus.corpus import Corpus, read_corpus
from unprompt.index.base.errors import ConfigError, UnpromptError
from unprompt.index.base.owner import owned
from unprompt.index.base.settings import read_settings
from unprompt.index.base.stages import StageLedger
from unprompt.index.base.tables import write_table
from unprompt.index.bundle.run_folder import RunFolder
from unprompt.index.encoders.protocols import to_unit_length
from unprompt.index.sealed.seal import SEAL
from unprompt.index.search.factory import IndexConfig
from unprompt.index.store.prompt_index import PromptIndex
from unprompt.index.store.rebuild import merge_indexes, read_content, rebuild_index
from unprompt.index.store.segments import IndexContent
from unprompt.index.store.update import IndexChange, add_rows, remove_rows
from unprompt.index.texts.json_text import json_text
from unprompt.index.vectors.embeddings import DESCRIPTION, open_embeddings
from unprompt.ui.jobs.config import override_setting
from unprompt.ui.jobs.index_reports import find_index
from unprompt.ui.jobs.progress import choose_progress

LEFT_OUT_FILE = (
    "index_left_out.parquet"  # of the run: source, and LEFT_OUT of build/corpus/leaks.py
)


class RowSelection(NamedTuple):
    """The rows to remove: the union of all ways of selecting them."""

    row_ids: Sequence[int] = ()
    listed: Path | None = None
    containing: str | None = None  # text in their prompts
    near_held_out: bool = False


def add_to_index(folder: Path, sources: Sequence[Path], keep_near: bool, as_json: bool) -> None:
    """Add the rows of other indexes, or of folders of embeddings.

    Rows near to held-out prompts of the run of the index are left out and listed, unless
    `keep_near`: they would raise the scores of `unprompt eval`.
    """
    place = find_index(folder)
    with _owned(place):
        own = None if keep_near else _own_corpus(place)
        for source in sources:
            content, notes = _content(source), []
            if own is not None:
                from unprompt.build.keys.import_rows import without_held_out

                content, left_out = without_held_out(content, own)
                notes = _list_left_out(_run_of(place).path, source, left_out)
            _report(place, add_rows(place, content), as_json, notes)


def remove_from_index(folder: Path, selection: RowSelection, as_json: bool) -> None:
    """Remove the selected rows."""
    place = find_index(folder)
    with _owned(place):
        _report(place, remove_rows(place, _wanted(place, selection)), as_json)


def _wanted(place: Path, selection: RowSelection) -> list[int]:
    """The ids of the selected rows."""
    wanted = [*selection.row_ids, *(_read_ids(selection.listed) if selection.listed else [])]
    if selection.containing:
        rows, text = PromptIndex.load(place).rows, selection.containing.lower()
        found = rows["prompt"].str.to_lowercase().str.contains(text, literal=True)
        wanted += rows["row_id"].filter(found).to_list()
    if selection.near_held_out:
        from unprompt.build.keys.import_rows import rows_near_held_out

        own = _own_corpus(place)
        if own is None:
            raise ConfigError(
                f"--near-held-out needs the corpus of the run that {place} belongs to; there is "
                f"none in {_run_of(place).path}"
            )
        wanted += rows_near_held_out(PromptIndex.load(place), own).to_list()
    return wanted


def merge_into(output: Path, folders: Sequence[Path], as_json: bool) -> None:
    """Merge indexes of one encoder into a new folder."""
    change = merge_indexes([find_index(folder) for folder in folders], output)
    _report(output, change, as_json)


def rebuild(folder: Path, settings: Sequence[str], queries: Path | None, as_json: bool) -> None:
    """Train and fill the index again from its stored keys, with the settings of its run.

    `settings` override them; `queries` is a folder of embeddings on which recall is measured.
    """
    place = find_index(folder)
    ledger = StageLedger(_run_of(place).path)
    begun = ledger.settings("index")["index"] if ledger.is_begun("index") else {}
    content: dict[str, Any] = {"index": begun}
    for setting in settings:
        override_setting(content, setting)
    unknown = set(content) - {"index"}
    if unknown:
        raise ConfigError(f"--set here takes index.NAME=value, got {unknown.pop()}.NAME=value")
    config = read_settings(IndexConfig, content["index"], "--set index")
    held_out = None if queries is None else _held_out(queries)
    with _owned(place):
        _report(place, rebuild_index(place, config, held_out, choose_progress()), as_json)


def _content(source: Path) -> IndexContent:
    if not (source / DESCRIPTION).is_file():
        return read_content(find_index(source))
    from unprompt.build.keys.import_rows import embedded_content
    from unprompt.index.engines.devices import load_target_encoder

    return embedded_content(source, load_target_encoder())


def _run_of(index: Path) -> RunFolder:
    """The run folder in whose bundle an index lies, if it lies in one."""
    return RunFolder(index.parent.parent)


def _owned(place: Path) -> AbstractContextManager[None]:
    """Own an index, and the run that it lies in."""
    run = _run_of(place).path
    return owned(place, run if StageLedger(run).is_begun("index") else None)


def _own_corpus(place: Path) -> Corpus | None:
    """The corpus of the run that an index belongs to; None for an index without one."""
    run = _run_of(place)
    return read_corpus(run.corpus) if StageLedger(run.path).is_done("corpus") else None


def _list_left_out(run: Path, source: Path, left_out: pl.DataFrame) -> list[str]:
    """List the rows of a source that were left out; returns a note if there are any."""
    path = run / LEFT_OUT_FILE
    earlier = pl.read_parquet(path) if path.is_file() else None
    listed = left_out.select(pl.lit(str(source)).alias("source"), pl.all())
    if earlier is not None:
        listed = pl.concat([earlier.filter(pl.col("source") != str(source)), listed])
    if listed.height or earlier is not None:
        write_table(path, listed)
    if not left_out.height:
        return []
    return [
        f"{left_out.height:,} rows of {source} were left out, near to held-out prompts of {run}: "
        f"listed in {path}; --keep-near adds them, but `unprompt eval` then scores too high"
    ]


def _held_out(folder: Path) -> np.ndarray:
    """The validation vectors (q, d_image) of a folder of embeddings."""
    embedded = open_embeddings(folder)
    held_out = embedded.vectors[(embedded.rows["split"] == "validation").to_numpy()]
    if not len(held_out):
        raise ConfigError(f"{folder} has no validation rows to measure recall on")
    return to_unit_length(held_out)


def _read_ids(path: Path) -> list[int]:
    """Row ids from a text file with one per line, or from the column `row_id` of a parquet file."""
    try:
        if path.suffix == ".parquet":
            return list(pl.read_parquet(path, columns=["row_id"])["row_id"].to_list())
        return [int(line) for line in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise UnpromptError(
            f"{path} holds no row ids ({error}); wanted one number per line, or a parquet file "
            "with the column row_id"
        ) from error


def _report(place: Path, change: IndexChange, as_json: bool, said: Sequence[str] = ()) -> None:
    notes = [*said, *change.notes]
    if (place.parent / SEAL).is_file() and (change.added or change.removed or change.rebuilt):
        notes.append(
            f"the blend was tuned before this change: `unprompt tune {_run_of(place).path}`"
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
        print(json_text(record))
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
