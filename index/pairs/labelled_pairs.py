"""Pictures with their true prompts, in any of three forms -> a table of pairs, and their bytes.

- A folder of webdataset tars or zips (`pair_shards.py`), with or without a table of labels.
- A table (.csv, .tsv, .parquet, .jsonl, .json) with a column of picture paths and one of prompts.
- A folder of pictures, each with a text file of the same name.

Evaluation and training read pairs through this module. Only the table is in memory; the pictures
are read one by one.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.archives.archive import read_archived
from unprompt.index.archives.tars import TarMember
from unprompt.index.base.errors import CorpusError, UnpromptError, UnreadableImageError
from unprompt.index.images.pictures import DEFAULT_LIMITS, PICTURE_SUFFIXES, read_picture
from unprompt.index.pairs.pair_shards import read_shard_pairs, tars_below
from unprompt.index.pairs.pair_tables import (
    LABELLED,
    TABLE_SUFFIXES,
    labelled_frame,
    read_pair_table,
)
from unprompt.index.pairs.texts_beside import texts_beside

WANTED = (
    "wanted a folder of webdataset tars (KEY.jpg and KEY.txt), a folder of pictures with a .txt "
    "file each, or a table with a column `path` and a column `prompt` "
    f"({', '.join(TABLE_SUFFIXES)})"
)


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs with one row per picture: LABELLED. A row with a `fault` has no picture or prompt."""

    rows: pl.DataFrame

    @property
    def whole(self) -> pl.DataFrame:
        """The rows that have a picture and a prompt."""
        return self.rows.filter(pl.col("fault").is_null())

    @property
    def faulty(self) -> pl.DataFrame:
        """The rows that lack one of both; `fault` says why."""
        return self.rows.filter(pl.col("fault").is_not_null())


def open_labelled_pairs(path: Path) -> LabelledPairs:
    """List the pairs of a folder or table, in a stable order; reads no picture.

    Raises CorpusError where `path` is in none of the three forms, or holds no pair at all.
    """
    if path.is_file() and path.name.lower().endswith(TABLE_SUFFIXES):
        rows = read_pair_table(path)
    elif path.is_dir():
        rows = read_shard_pairs(path) if tars_below(path) else _folder_pairs(path)
    else:
        fault = "it is not there" if not path.exists() else "it is another kind of file"
        raise CorpusError(f"cannot read pairs from {path}: {fault}; {WANTED}")
    if not rows.height:
        raise CorpusError(f"{path} holds no pictures with prompts; {WANTED}")
    return LabelledPairs(rows)


def read_labelled_picture(row: Mapping[str, Any]) -> bytes:
    """The encoded picture of a row of LABELLED.

    Raises UnreadableImageError or DamagedFileError where it cannot be read.
    """
    path, size = Path(row["path"]), row["size"]
    if row["offset"] is None:
        return read_picture(path, str(path))
    if size > DEFAULT_LIMITS.max_bytes:
        raise UnreadableImageError(
            f"cannot read {row['name']}: it is larger than {DEFAULT_LIMITS.max_bytes / 2**20:g} MiB"
        )
    return read_archived(path, TarMember(row["name"], row["offset"], size))


def iterate_pictures(rows: pl.DataFrame) -> Iterator[tuple[str, bytes]]:
    """(name, encoded picture) of rows of LABELLED, in order; a picture that fails has no bytes.

    `encode_contents` gives its UnreadableImageError in the place of the vector.
    """
    for row in rows.iter_rows(named=True):
        try:
            yield row["name"], read_labelled_picture(row)
        except UnpromptError:
            yield row["name"], b""


def _folder_pairs(folder: Path) -> pl.DataFrame:
    names, paths, prompts, faults = [], [], [], []
    for path in _pictures(folder):
        texts = texts_beside(path)
        names.append(path.relative_to(folder).as_posix())
        paths.append(str(path))
        prompts.append(texts or None)
        faults.append(None if texts else f"no prompt: {path.with_suffix('.txt').name} is not there")
    return labelled_frame({"name": names, "path": paths, "prompts": prompts, "fault": faults})


def _pictures(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith("."):
                yield Path(here, name)


__all__ = [
    "LABELLED",
    "LabelledPairs",
    "iterate_pictures",
    "open_labelled_pairs",
    "read_labelled_picture",
]
