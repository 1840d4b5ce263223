"""A table of picture paths and prompts, or of labels by key -> rows with the columns LABELLED."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.index.base.errors import CorpusError

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
PROMPT_COLUMNS = ("prompt", "prompts", "caption", "captions", "text")
PATH_COLUMNS = ("path", "picture", "image_path", "image", "file_name", "filename", "file")
TABLE_SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl")
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


def read_any_table(path: Path) -> pl.DataFrame:
    """Read a .parquet, .csv, .tsv or .jsonl file; text columns of a .csv stay text.

    Raises CorpusError where the file cannot be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return pl.read_parquet(path)
        if suffix == ".jsonl":
            return pl.read_ndjson(path, infer_schema_length=None)
        separator = "\t" if suffix == ".tsv" else ","
        return pl.read_csv(path, infer_schema=False, separator=separator)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{path} is not a readable table ({error}); write it again") from error


def read_pair_table(path: Path) -> pl.DataFrame:
    """The LABELLED rows of a table with picture paths, relative to the folder of the table."""
    table = read_any_table(path)
    prompt = find_column(table, PROMPT_COLUMNS)
    place = find_column(table, PATH_COLUMNS)
    if prompt is None or place is None:
        lacking = PROMPT_COLUMNS if prompt is None else PATH_COLUMNS
        raise CorpusError(
            f"{path} has no column {' or '.join(lacking)}; got {', '.join(table.columns)}. "
            "Name the columns `path` and `prompt`"
        )
    names = table[place].cast(pl.String).to_list()
    paths = [path.parent / (name or "") for name in names]
    prompts = prompt_lists(table[prompt])
    faults = [
        NO_PROMPT if not found else None if where.is_file() else NO_PICTURE.format(where)
        for found, where in zip(prompts, paths, strict=True)
    ]
    shown = [name or f"row {row}" for row, name in enumerate(names)]
    columns: dict[str, Sequence[Any]] = {
        "name": unique_names(shown),
        "path": [str(where) for where in paths],
        "prompts": prompts,
        "fault": faults,
    }
    return labelled_frame({**columns, **label_columns(table)})


def find_column(table: pl.DataFrame, names: Iterable[str]) -> str | None:
    """The first of `names` that the table has, with any case; None if it has none."""
    own = {column.lower(): column for column in reversed(table.columns)}
    return next((own[name] for name in names if name in own), None)


def label_columns(table: pl.DataFrame) -> dict[str, list[str | None]]:
    """The columns `source`, `generator` and `kind` of a table, as far as it has them."""
    return {
        name: table[name].cast(pl.String, strict=False).to_list()
        for name in LABELS
        if name in table.columns
    }


def prompt_lists(column: pl.Series) -> list[list[str] | None]:
    """Prompts of each row without blanks; None for a row that has none."""
    values = column.to_list() if column.dtype == pl.List else column.cast(pl.String).to_list()
    return [clean_prompts(value) for value in values]


def clean_prompts(value: object) -> list[str] | None:
    """One prompt or several -> their texts without blank ones; None where nothing is left."""
    several = value if isinstance(value, list | tuple) else [value]
    texts = [text.strip() for text in several if isinstance(text, str) and text.strip()]
    return texts or None


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names; a repeated one gets `#2`, `#3` behind it."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found
