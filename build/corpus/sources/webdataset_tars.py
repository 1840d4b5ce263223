"""WebDataset tars, such as img2dataset's -> PAIRS rows, and pictures by offset.

The members of a sample share their name up to the first dot of the file name. The prompt is the
sample's `.txt`, or else `prompt`, `caption` or `text` of its `.json`; with the setting `column` it
is that key of the json. No other member is read, in particular none that webdataset would unpickle.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.formats.rows import PROMPT_COLUMNS, text_frame
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame, too_large
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.images.pictures import DEFAULT_LIMITS, PICTURE_SUFFIXES
from unprompt.index.images.tars import TarMember, read_member, tar_members

LONGEST_TEXT = 1 << 20  # bytes
DAMAGED, WITHOUT_TEXT = "damaged tar", "picture without a text"
PICTURE, SECOND = "picture", "second picture"  # x.png; x.depth.png, used only without x.png
NO_PICTURE = "the sample holds no picture"


def list_tar(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs of a tar; of a truncated tar, the complete ones."""
    samples: dict[str, dict[str, TarMember]] = {}
    try:
        for member in tar_members(unit):
            folder, _, name = member.name.rpartition("/")
            key, _, field = name.partition(".")
            samples.setdefault(f"{folder}/{key}", {}).setdefault(_role(field), member)
    except DamagedFileError as error:
        tally.read += 1
        tally.fault(f"{error}; fetch it again", DAMAGED)
    rows = [_pair(unit, parts, config.column, tally) for parts in samples.values()]
    kept = [row for row in rows if row is not None]
    names = [[row[0] for row in kept], [row[1] for row in kept]]
    frame = text_frame(["prompt", "picture"], names, tally)
    places = pl.DataFrame(
        [row[2:] for row in kept],
        schema={"offset": pl.Int64, "size": pl.Int64, "fault": pl.String},
        orient="row",
    )
    yield pairs_frame(pl.concat([frame, places], how="horizontal"))


@contextmanager
def open_tar(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open a tar to fetch its pictures by offset."""

    def fetch(row: Mapping[str, Any]) -> bytes:
        if row["size"] > DEFAULT_LIMITS.max_bytes:
            raise too_large(f"{unit}/{row['picture']}")
        return read_member(unit, TarMember(row["picture"], row["offset"], row["size"]))

    yield fetch


def _role(field: str) -> str:
    """The role of a member in its sample, by the part of its name after the first dot."""
    field = field.lower()
    if f".{field}" in PICTURE_SUFFIXES:
        return PICTURE
    if field.endswith(PICTURE_SUFFIXES):
        return SECOND
    return field if field in ("txt", "json") else "other"


def _pair(
    unit: Path, parts: Mapping[str, TarMember], column: str | None, tally: Tally
) -> tuple[str, str, int | None, int | None, str | None] | None:
    picture = parts.get(PICTURE) or parts.get(SECOND)
    if picture is None and "txt" not in parts and "json" not in parts:
        return None
    tally.read += 1
    name = (picture or next(iter(parts.values()))).name
    try:
        prompt = _prompt(unit, parts, column)
    except (DamagedFileError, ValueError, RecursionError) as error:
        tally.fault(f"{unit}/{name}: {error}")
        return None
    if prompt is None:
        tally.fault(f"{unit}/{name} has no prompt", WITHOUT_TEXT)
        return None
    if picture is None:
        return prompt, name, None, None, NO_PICTURE
    return prompt, name, picture.offset, picture.size, None


def _prompt(unit: Path, parts: Mapping[str, TarMember], column: str | None) -> str | None:
    if "txt" in parts and column is None:
        return _text(unit, parts["txt"]).strip()
    if "json" not in parts:
        return None
    value: Any = json.loads(_text(unit, parts["json"]))
    names = PROMPT_COLUMNS if column is None else (column,)
    found = [value.get(name) for name in names] if isinstance(value, dict) else []
    return next((text for text in found if isinstance(text, str)), None)


def _text(unit: Path, member: TarMember) -> str:
    if member.size > LONGEST_TEXT:
        raise ValueError(f"{member.name} is longer than {LONGEST_TEXT} bytes")
    return read_member(unit, member).decode("utf-8-sig", errors="replace")


WEBDATASET = Kind(
    name="webdataset",
    title="webdataset tars, img2dataset's too",
    files="*.tar, not compressed, with pictures and .txt or .json",
    licence="that of your pictures",
    read=list_tar,
    patterns=(("*.tar",),),
    settings=("column",),
    example={"path": "shards"},
    pairs=PairReader(list_tar, open_tar),
)
