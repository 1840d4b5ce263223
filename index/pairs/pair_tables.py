"""A table of picture paths and prompts, or of labels by key -> rows with the columns LABELLED."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.columns import caption_lists
from unprompt.index.captions.names import find_name
from unprompt.index.captions.texts import CAPTIONS
from unprompt.index.formats.tables import stream_columns
from unprompt.index.formats.tally import Tally
from unprompt.index.pairs.picture_paths import PATH_COLUMNS, locate, path_columns

_COLUMNS: dict[str, Any] = {
    "name": pl.String,  # unique in the set: shard and key, or the path in the folder
    "prompts": pl.List(pl.String),  # one, or several captions of the same picture
    "source": pl.String,  # collection that the pair is from; null where unknown
    "generator": pl.String,
    "kind": pl.String,  # such as generated, photograph, screenshot
    "path": pl.String,  # of the picture file, or of the tar
    "offset": pl.Int64,  # in the tar; null for a file
    "size": pl.Int64,
    "fault": pl.String,  # why the pair cannot be used; null if it can
}
LABELLED = pl.Schema(_COLUMNS)
LABELS = ("source", "generator", "kind")
TABLE_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson", ".json")
NO_PROMPT, NO_PICTURE = "no prompt", "no picture: {} is not there"


def labelled_frame(columns: Mapping[str, Sequence[Any]]) -> pl.DataFrame:
    """Columns of LABELLED as a table; a missing column is null."""
    count = len(columns["name"])
    return pl.DataFrame(
        [
            pl.Series(name, columns.get(name, [None] * count), kind)
            for name, kind in LABELLED.items()
        ]
    )


def read_labels(path: Path, others: Sequence[str]) -> pl.DataFrame:
    """The columns `prompt` (lists of texts), LABELS and `others` of a table, as far as it has them.

    Raises CorpusError where the file cannot be read.
    """
    named: dict[str, str] = {}

    def pick(columns: Sequence[str], path: Path) -> list[str]:
        found = {name: find_name(columns, (name,)) for name in (*LABELS, *others)}
        prompt = find_name([name for name in columns if name not in found.values()], CAPTIONS)
        named.update({"prompt": prompt} if prompt else {})
        named.update({name: column for name, column in found.items() if column is not None})
        return list(dict.fromkeys(named.values())) or list(columns[:1])

    frames = list(stream_columns(path, pick, Tally()))
    table = pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame()
    found = table.select(pl.col(column).alias(name) for name, column in named.items())
    if "prompt" not in found.columns:
        return found
    lists = [texts or None for texts in caption_lists(found["prompt"])]
    return found.with_columns(pl.Series("prompt", lists, pl.List(pl.String)))


def read_pair_table(path: Path) -> pl.DataFrame:
    """The LABELLED rows of a table with picture paths, relative to the folder of the table.

    Several columns of pictures, such as `path1` and `path2`, give a row each.
    """
    schema: list[str] = []

    def pick(columns: Sequence[str], path: Path) -> list[str]:
        schema.extend(columns)
        return list(columns[:1])

    next(stream_columns(path, pick, Tally()), None)
    places = path_columns(schema)
    table = read_labels(path, places)
    if "prompt" not in table.columns or not places:
        lacking = PATH_COLUMNS if not places else CAPTIONS
        raise CorpusError(
            f"{path} has no column {' or '.join(lacking)}; got {', '.join(schema)}. "
            "Name the columns `path` and `prompt`"
        )
    parts = [_rows_of(path, table, place, len(places) > 1) for place in places]
    rows = pl.concat([part.with_row_index("row") for part in parts])
    rows = rows.sort("row", maintain_order=True).drop("row")
    return rows.with_columns(pl.Series("name", unique_names(rows["name"].to_list())))


def _rows_of(path: Path, table: pl.DataFrame, place: str, optional: bool) -> pl.DataFrame:
    """The LABELLED rows of one column of pictures; `optional` leaves null names out."""
    if optional:
        table = table.filter(pl.col(place).is_not_null())
    names = table[place].cast(pl.String).to_list()
    paths = [locate(path.parent, name or "") for name in names]
    prompts = table["prompt"].to_list()
    faults = [
        NO_PROMPT if not found else None if where.is_file() else NO_PICTURE.format(where)
        for found, where in zip(prompts, paths, strict=True)
    ]
    columns: dict[str, Sequence[Any]] = {
        "name": [name or f"row {row}" for row, name in enumerate(names)],
        "path": [str(where) for where in paths],
        "prompts": prompts,
        "fault": faults,
    }
    return labelled_frame({**columns, **label_columns(table)})


def label_columns(table: pl.DataFrame) -> dict[str, list[str | None]]:
    """The columns `source`, `generator` and `kind` of a table, as far as it has them."""
    return {
        name: table[name].cast(pl.String, strict=False).to_list()
        for name in LABELS
        if name in table.columns
    }


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names; a repeated one gets `#2`, `#3` behind it."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found
