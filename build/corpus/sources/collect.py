"""`corpus.collections` -> one table with the columns prompt and source, and counts per collection.

The prompts of each group of files are cached in a folder beside the corpus (COLLECTED), so that a
killed run reads no file twice.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.draw import DRAWN, PromptDraw
from unprompt.build.corpus.sources.filters import GROUP, keep_rows
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.kinds import find_kind
from unprompt.index.base.durable import digest_json, read_json, write_json
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.base.settings import read_settings, write_settings
from unprompt.index.base.tables import read_table, write_table
from unprompt.index.formats.tally import Tally

COLLECTED = "collected"
GROUP_BYTES = 128 * 2**20  # of files that are cached together
REPEATED, UNDRAWN = "repeated", "not drawn"


class Group(NamedTuple):
    """Files that are read and cached together."""

    kind: Kind
    config: CollectionConfig
    paths: list[Path]


def collect(
    collections: Sequence[CollectionConfig], cache: Path, progress: Progress = SILENT
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The distinct prompts of every collection, in order, and the counts of each.

    Raises CorpusError if a collection is missing or gives no prompt. All collections are searched
    before the first one is read.
    """
    planned = [_plan(config) for config in collections]
    total = sum(len(groups) for groups in planned)
    steps = progress.track(range(total), "read collections", total)
    tables, reports = [], []
    for config, groups in zip(collections, planned, strict=True):
        draw, tally = PromptDraw(config.max_rows, config.seed), Tally()
        for group in groups:
            next(steps, None)
            frame, counts = _read_once(group, cache)
            draw.add_drawn(frame)
            tally.add(counts)
        tables.append(_finish(config, draw, tally))
        reports.append(_report(config, groups, tally))
    next(steps, None)
    return pl.concat(tables), reports


def _plan(config: CollectionConfig) -> list[Group]:
    kind = find_kind(config.kind)
    groups: list[Group] = []
    size = GROUP_BYTES
    for path in kind.units(config):
        if size >= GROUP_BYTES:
            groups.append(Group(kind, config, []))
            size = 0
        groups[-1].paths.append(path)
        size += path.stat().st_size if path.is_file() else GROUP_BYTES
    return groups


def _read_once(group: Group, cache: Path) -> tuple[pl.DataFrame, Tally]:
    """`read_group`, from the cache if an earlier run wrote it there."""
    if not all(path.is_file() for path in group.paths):
        return read_group(group)
    name = f"{group.kind.name}-{_identity(group)[:16]}"
    table, marker = cache / f"{name}.parquet", cache / f"{name}.json"
    if marker.is_file():
        return read_table(table, DRAWN), read_settings(Tally, read_json(marker), str(marker))
    frame, tally = read_group(group)
    write_table(table, frame, DRAWN)
    write_json(marker, asdict(tally))
    return frame, tally


def read_group(group: Group) -> tuple[pl.DataFrame, Tally]:
    """DRAWN rows of the files of a group, and the counts."""
    draw, tally = PromptDraw(group.config.max_rows, group.config.seed), Tally()
    for path in group.paths:
        for batch in group.kind.read(path, group.config, tally):
            kept = keep_rows(batch, group.config, tally)
            draw.add(kept["prompt"], kept[GROUP] if GROUP in kept.columns else None)
    return _drawn(draw, tally), tally


def _identity(group: Group) -> str:
    """A digest of the settings, and of each file's path, size and modification time."""
    settings = write_settings(group.config)
    del settings["name"]
    stats = [(str(path.resolve()), path.stat()) for path in group.paths]
    files = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]
    return digest_json([settings, files])


def _drawn(draw: PromptDraw, tally: Tally) -> pl.DataFrame:
    """The rows of a draw; repeated and undrawn prompts are counted."""
    frame = draw.table()
    tally.drop(REPEATED, draw.repeated)
    tally.drop(UNDRAWN, draw.undrawn)
    return frame


def _finish(config: CollectionConfig, draw: PromptDraw, tally: Tally) -> pl.DataFrame:
    frame = _drawn(draw, tally)
    if frame.is_empty():
        reasons = ", ".join(f"{count} {reason}" for reason, count in tally.dropped.items())
        fault = f"; the first fault: {tally.faults[0]}" if tally.faults else ""
        raise CorpusError(
            f"the collection {config.kind} at {config.place} gives no prompt: {tally.read} rows "
            f"read, dropped {reasons or 'none'}{fault}"
        )
    return frame.select("prompt", pl.lit(config.source).alias("source"), "group")


def _report(config: CollectionConfig, groups: Sequence[Group], tally: Tally) -> dict[str, Any]:
    return {
        "kind": config.kind,
        "source": config.source,
        "place": config.place,
        "licence": find_kind(config.kind).licence,
        "files": sum(len(group.paths) for group in groups),
        "read": tally.read,
        "kept": tally.kept,
        "dropped": dict(tally.dropped),
        "undecodable": tally.undecodable,
        "faults": tally.faults,
    }
