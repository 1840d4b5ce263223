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

from unprompt.index.archives.archive import (
    archive_members,
    archive_stem,
    is_archive,
    read_archived,
)
from unprompt.index.archives.tars import TarMember
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.captions.texts import decode_text
from unprompt.index.images.pictures import DEFAULT_LIMITS
from unprompt.index.images.samples import (
    READ_ORDER,
    Sample,
    Samples,
    read_samples,
    sample_texts,
)
from unprompt.index.pairs.pair_tables import (
    LABELLED,
    LABELS,
    NO_PROMPT,
    TABLE_SUFFIXES,
    label_columns,
    labelled_frame,
    read_labels,
)
from unprompt.index.pairs.written_prompts import written_prompts

LARGEST = DEFAULT_LIMITS.max_bytes
NOT_IN_TAR = "no picture: the tar holds none for this row"
Labels = dict[str, Any]  # prompts, source, generator, kind


def tars_below(folder: Path) -> list[Path]:
    """The tars and zips in a folder and below it, in order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if is_archive(path.name) and path.is_file() and path.name[0] != "."
    )


def read_shard_pairs(folder: Path) -> pl.DataFrame:
    """The LABELLED rows of all tars below a folder. A damaged tar gives its complete pairs."""
    frames, tables = [], {}
    for tar in tars_below(folder):
        if tar.parent not in tables:
            tables[tar.parent] = _read_labels(tar.parent)
        stem = (tar.parent.relative_to(folder) / archive_stem(tar)).as_posix()
        below = stem.rpartition("/")[0] or None
        pairs = _tar_pairs(tar, stem, tables[tar.parent])
        frames.append(pairs.with_columns(pl.col("kind").fill_null(pl.lit(below, pl.String))))
    return pl.concat(frames) if frames else LABELLED.to_frame()


def _tar_pairs(tar: Path, stem: str, labels: Mapping[str, Labels]) -> pl.DataFrame:
    samples, damage = _samples(tar)
    rows = [_row(tar, stem, key, sample, labels) for key, sample in samples.items()]
    listed, there = f"{archive_stem(tar)}/", {_plain(key) for key in samples}
    for key in labels:
        if key.startswith(listed) and key.removeprefix(listed) not in there:
            name = f"{stem}/{key.removeprefix(listed)}"
            rows.append({"name": name, "path": str(tar), **labels[key], "fault": NOT_IN_TAR})
    if damage is not None:
        rows.append({"name": stem, "path": str(tar), "fault": damage})
    columns = {name: [row.get(name) for row in rows] for name in LABELLED}
    return labelled_frame(columns)


def _samples(tar: Path) -> tuple[Samples, str | None]:
    """The samples of an archive by key, and the damage that ended the reading, if any."""
    samples: Samples = {}
    try:
        read_samples(archive_members(tar), samples)
    except DamagedFileError as error:
        return samples, f"{error}; fetch the tar again"
    return samples, None


def _row(
    tar: Path, stem: str, key: str, sample: Sample, labels: Mapping[str, Labels]
) -> dict[str, Any]:
    plain = _plain(key)
    known = labels.get(f"{archive_stem(tar)}/{plain}") or labels.get(plain) or {}
    fault = None
    try:
        found = {**_own_labels(tar, sample, known), **known}
    except (DamagedFileError, ValueError, RecursionError) as error:
        found, fault = dict(known), f"the text of the sample cannot be read: {error}"
    picture = sample.picture
    if picture is None or picture.fault is not None:
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
    """The labels in the archive itself; texts are not read where the table has the prompt."""
    if known.get("prompts"):
        return {}

    def read(member: TarMember) -> bytes:
        return read_archived(tar, member)

    texts = sample_texts(sample.texts, read, None)
    if not texts and sample.picture is not None and sample.picture.size <= LARGEST:
        texts = written_prompts(read(sample.picture))
    labels: Labels = {"prompts": texts or None}
    if "json" in sample.texts and not any(suffix in sample.texts for suffix in READ_ORDER):
        value = json.loads(decode_text(read(sample.texts["json"])))
        facts = value if isinstance(value, dict) else {}
        labels |= {name: str(facts[name]) for name in LABELS if facts.get(name) is not None}
    return labels


def _read_labels(folder: Path) -> dict[str, Labels]:
    """Labels by `KEY`, or by `SHARD/KEY` where a table names the shards."""
    found: dict[str, Labels] = {}
    for path in _tables(folder):
        table = read_labels(path, ("key", "shard"))
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
    others = label_columns(table)
    prompts = table["prompt"].to_list() if "prompt" in table.columns else [None] * table.height
    for row, key in enumerate(keys):
        labels = {name: values[row] for name, values in others.items()}
        known = {"prompts": prompts[row], **labels}
        yield key, {name: value for name, value in known.items() if value is not None}


def _plain(key: str) -> str:
    """A key without folder, and without the zeros in front that tables of numbers lose."""
    name = key.rpartition("/")[2]
    return str(int(name)) if name.isdecimal() and name.isascii() else name
