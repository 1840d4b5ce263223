"""A folder of webdataset tars, with tables of labels beside or among them -> LABELLED rows.

A sample is `KEY.jpg` (or another picture) and `KEY.txt` or `KEY.json`. A table FOLDER.parquet
beside the folder of the tars, or any table in it, may hold the columns `key`, `prompt`, `source`,
`generator` and `kind`; it wins over the tar. The json may hold the same fields. Without a kind,
the name of the subfolder of the tar is the kind.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.errors import DamagedFileError
from unprompt.index.images.pair_tables import (
    LABELLED,
    LABELS,
    NO_PROMPT,
    PROMPT_COLUMNS,
    TABLE_SUFFIXES,
    clean_prompts,
    find_column,
    label_columns,
    labelled_frame,
    prompt_lists,
    read_any_table,
)
from unprompt.index.images.pictures import PICTURE_SUFFIXES
from unprompt.index.images.tars import TarMember, read_member, tar_members

LONGEST_TEXT = 1 << 20  # bytes
NOT_IN_TAR = "no picture: the tar holds none for this row"
Labels = dict[str, Any]  # prompts, source, generator, kind
Sample = dict[str, TarMember]  # by role: picture, txt, json


def tars_below(folder: Path) -> list[Path]:
    """The tars in a folder and below it, in order."""
    return sorted(path for path in folder.rglob("*.tar") if path.is_file())


def read_shard_pairs(folder: Path) -> pl.DataFrame:
    """The LABELLED rows of all tars below a folder. A damaged tar gives its complete pairs."""
    frames, tables = [], {}
    for tar in tars_below(folder):
        if tar.parent not in tables:
            tables[tar.parent] = _read_labels(tar.parent)
        stem = tar.relative_to(folder).with_suffix("").as_posix()
        below = stem.rpartition("/")[0] or None
        pairs = _tar_pairs(tar, stem, tables[tar.parent])
        frames.append(pairs.with_columns(pl.col("kind").fill_null(pl.lit(below, pl.String))))
    return pl.concat(frames) if frames else LABELLED.to_frame()


def _tar_pairs(tar: Path, stem: str, labels: Mapping[str, Labels]) -> pl.DataFrame:
    samples, damage = _samples(tar)
    rows = [_row(tar, stem, key, sample, labels) for key, sample in samples.items()]
    listed, there = f"{tar.stem}/", {_plain(key) for key in samples}
    for key in labels:
        if key.startswith(listed) and key.removeprefix(listed) not in there:
            name = f"{stem}/{key.removeprefix(listed)}"
            rows.append({"name": name, "path": str(tar), **labels[key], "fault": NOT_IN_TAR})
    if damage is not None:
        rows.append({"name": stem, "path": str(tar), "fault": damage})
    columns = {name: [row.get(name) for row in rows] for name in LABELLED}
    return labelled_frame(columns)


def _samples(tar: Path) -> tuple[dict[str, Sample], str | None]:
    """The samples of a tar by key, and the damage that ended the reading, if any."""
    samples: dict[str, Sample] = {}
    try:
        for member in tar_members(tar):
            folder, _, file = member.name.rpartition("/")
            key, _, field = file.partition(".")
            field = field.lower()
            role = "picture" if f".{field}" in PICTURE_SUFFIXES else field
            if role in ("picture", "txt", "json"):
                samples.setdefault(f"{folder}/{key}" if folder else key, {})[role] = member
    except DamagedFileError as error:
        return samples, f"{error}; fetch the tar again"
    return samples, None


def _row(
    tar: Path, stem: str, key: str, sample: Sample, labels: Mapping[str, Labels]
) -> dict[str, Any]:
    plain = _plain(key)
    known = labels.get(f"{tar.stem}/{plain}") or labels.get(plain) or {}
    fault = None
    try:
        found = {**_own_labels(tar, sample, known), **known}
    except (DamagedFileError, ValueError, RecursionError) as error:
        found, fault = dict(known), f"the text of the sample cannot be read: {error}"
    picture = sample.get("picture")
    if picture is None:
        fault = NOT_IN_TAR
    elif not found.get("prompts"):
        fault = fault or NO_PROMPT
    place = (picture.offset, picture.size) if picture is not None else (None, None)
    return {
        "name": f"{stem}/{key}",
        "path": str(tar),
        **found,
        "offset": place[0],
        "size": place[1],
        "fault": fault,
    }


def _own_labels(tar: Path, sample: Sample, known: Labels) -> Labels:
    """The labels in the tar itself; texts are not read where the table has the prompt."""
    if known.get("prompts"):
        return {}
    if "txt" in sample:
        return {"prompts": clean_prompts(_text(tar, sample["txt"]))}
    if "json" not in sample:
        return {}
    value: Any = json.loads(_text(tar, sample["json"]))
    if not isinstance(value, dict):
        return {}
    prompts = (clean_prompts(value.get(name)) for name in PROMPT_COLUMNS)
    labels = {name: str(value[name]) for name in LABELS if value.get(name) is not None}
    return {"prompts": next((found for found in prompts if found), None), **labels}


def _text(tar: Path, member: TarMember) -> str:
    if member.size > LONGEST_TEXT:
        raise ValueError(f"{member.name} is longer than {LONGEST_TEXT} bytes")
    return read_member(tar, member).decode("utf-8-sig", errors="replace")


def _read_labels(folder: Path) -> dict[str, Labels]:
    """Labels by `KEY`, or by `SHARD/KEY` where a table names the shards."""
    found: dict[str, Labels] = {}
    for path in _tables(folder):
        table = read_any_table(path)
        if "key" not in table.columns:
            continue
        for key, labels in _labels_of(table):
            found.setdefault(key, labels)
    return found


def _tables(folder: Path) -> list[Path]:
    """Tables in the folder, then the one beside it that has its name."""
    beside = [folder.with_name(folder.name + suffix) for suffix in TABLE_SUFFIXES]
    inside = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    return [path for path in (*beside, *inside) if path.is_file()]


def _labels_of(table: pl.DataFrame) -> Iterator[tuple[str, Labels]]:
    keys = [_plain(key or "") for key in table["key"].cast(pl.String)]
    if "shard" in table.columns:
        shards = table["shard"].cast(pl.String).str.zfill(5)
        keys = [f"{shard}/{key}" for shard, key in zip(shards, keys, strict=True)]
    column = find_column(table, PROMPT_COLUMNS)
    prompts = [None] * table.height if column is None else prompt_lists(table[column])
    others = label_columns(table)
    for row, key in enumerate(keys):
        labels = {name: values[row] for name, values in others.items()}
        known = {"prompts": prompts[row], **labels}
        yield key, {name: value for name, value in known.items() if value is not None}


def _plain(key: str) -> str:
    """A key without folder, and without the zeros in front that tables of numbers lose."""
    name = key.rpartition("/")[2]
    return str(int(name)) if name.isdecimal() and name.isascii() else name
