"""`unprompt sources`: list the kinds of collections, explain one, preview one on disk."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import yaml

from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.filters import keep_rows
from unprompt.build.corpus.sources.kind import EVERY_KIND, Kind
from unprompt.build.corpus.sources.kinds import KINDS, check_collection, find_kind
from unprompt.index.base.settings import read_settings
from unprompt.index.formats.tally import Tally
from unprompt.index.texts.json_text import json_text
from unprompt.ui.jobs.config import override_setting

SHOWN_CHARACTERS = 160


def list_kinds(as_json: bool) -> None:
    """Print every kind with its files and licence."""
    kinds = [_described(kind) for kind in KINDS.values()]
    if as_json:
        print(json_text(kinds, indent=2))
        return
    for kind in kinds:
        brings = "prompts and pictures" if kind["pictures"] else "prompts"
        print(f"{kind['kind']:<21} {kind['title']}: {brings}")
        print(f"{'':<21} files: {kind['files']}")
        print(f"{'':<21} licence: {kind['licence']}")
    print("\n`unprompt sources KIND` shows a kind's settings and an example config")


def explain_kind(name: str, as_json: bool) -> None:
    """Print one kind with its settings and an example config."""
    kind = find_kind(name)
    described = _described(kind)
    if as_json:
        print(json_text(described, indent=2))
        return
    for label in ("title", "files", "licence"):
        print(f"{label:<9} {described[label]}")
    print(f"{'settings':<9} {', '.join(described['settings'])}")
    print(f"\n{described['config']}", end="")


def preview(
    name: str, path: str | None, settings: Sequence[str], limits: tuple[int, int], as_json: bool
) -> None:
    """Print the first prompts of a collection and counts of its rows.

    `limits` are the prompts to print and the rows to read; 0 rows reads the whole collection.
    """
    values: dict[str, Any] = {"kind": name, "path": path}
    for setting in settings:
        override_setting(values, setting)
    config = read_settings(CollectionConfig, values, "the collection")
    report = _preview(check_collection(config), config, limits)
    print(json_text(report, indent=2) if as_json else _text(report))


def _preview(kind: Kind, config: CollectionConfig, limits: tuple[int, int]) -> dict[str, Any]:
    head, rows = limits
    tally = Tally()
    prompts: list[str] = []
    faults: list[bool] = []  # per pair: whether its picture is missing
    whole = True
    for batch in chain.from_iterable(kind.read(unit, config, tally) for unit in kind.units(config)):
        kept = keep_rows(batch, config, tally)
        prompts += kept["prompt"].head(head - len(prompts)).to_list()
        if "fault" in kept.columns:
            faults += kept["fault"].is_not_null().to_list()
        if rows and tally.read >= rows:
            whole = False
            break
    return {
        "kind": kind.name,
        "place": config.place,
        "licence": kind.licence,
        "whole": whole,  # false: only the first rows
        "read": tally.read,
        "kept": tally.kept,
        "dropped": tally.dropped,
        "undecodable": tally.undecodable,
        "pictures": len(faults) - sum(faults),
        "missing_pictures": sum(faults),
        "faults": tally.faults,
        "prompts": prompts,
    }


def _described(kind: Kind) -> dict[str, Any]:
    source = "embeddings" if kind.name == "clip_retrieval" else "collections"
    entry = {"kind": kind.name, **kind.example}
    config = {"corpus": {"source": source, "collections": [entry]}}
    return {
        "kind": kind.name,
        "title": kind.title,
        "files": kind.files,
        "licence": kind.licence,
        "pictures": kind.pairs is not None,
        "settings": sorted((EVERY_KIND - {"kind"}) | set(kind.settings)),
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
    }


def _text(report: dict[str, Any]) -> str:
    lines = []
    for number, prompt in enumerate(report["prompts"], start=1):
        shown = prompt[:SHOWN_CHARACTERS] + ("..." if len(prompt) > SHOWN_CHARACTERS else "")
        lines.append(f"{number:>3}  {shown}")
    over = "the whole collection" if report["whole"] else "the first rows; --rows 0 reads all"
    lines.append(f"\nread {report['read']:,}, kept {report['kept']:,} ({over})")
    lines += [f"  dropped {count:,}: {reason}" for reason, count in report["dropped"].items()]
    if report["pictures"] or report["missing_pictures"]:
        lines.append(f"pictures {report['pictures']:,}, missing {report['missing_pictures']:,}")
    lines += [f"  {fault}" for fault in report["faults"]]
    lines.append(f"licence: {report['licence']}")
    return "\n".join(lines)
