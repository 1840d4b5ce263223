"""A folder of pictures, as ImageFolder or with one text file per picture -> PAIRS rows.

In Hugging Face's ImageFolder layout, `metadata.jsonl`, `metadata.csv` or `metadata.parquet` beside
or above the pictures has a column `file_name` (or others that name pictures, such as `path1` and
`path2`) and one with the prompt. `prompts.json` is one too: a list, or an object keyed by file.
Without such a file the prompt of `a/b.png` is the text of `a/b.txt`, or in `a/b.json`, or in the
metadata that its generator wrote into the picture. A row
without a picture becomes a failed row. A picture without a row or a text, and a text without a
picture, are counted as faults.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame, read_picture_file
from unprompt.index.base.errors import CorpusError
from unprompt.index.formats.rows import batches, choose_column, missing_column, text_frame
from unprompt.index.formats.tables import stream_table
from unprompt.index.formats.tally import Tally
from unprompt.index.images.pictures import PICTURE_SUFFIXES
from unprompt.index.pairs.picture_paths import locate, path_columns
from unprompt.index.pairs.texts_beside import texts_beside

METADATA = (
    "metadata.jsonl", "metadata.csv", "metadata.parquet", "metadata.json", "prompts.json",
    "prompts.jsonl", "prompts.csv", "captions.json", "captions.csv",
)  # fmt: skip
FILE_NAME, TEXT = "file_name", ".txt"
UNLISTED, WITHOUT_TEXT = "picture without a row", "picture without a text"
LONE_TEXT = "text without a picture"
REPEATED = "repeated row"
NO_FILE, OUTSIDE = "the picture is missing", "the file name leaves the folder"


def list_folder(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs below a folder."""
    tables = sorted(path for name in METADATA for path in unit.rglob(name))
    if not tables:
        for names in batches(_pictures(unit)):
            yield _with_texts(unit, names, config, tally)
        _count_lone_texts(unit, tally)
        return
    listed: set[str] = set()
    seen: set[int] = set()
    for table in tables:
        first = config.captions == FIRST
        for rows in stream_table(table, partial(_pick, config.column), tally, first):
            frame = _with_places(unit, table, _row_each_picture(rows, tally))
            listed.update(frame["picture"])
            yield _without_repeats(frame, seen, tally)
    for picture in _pictures(unit):
        if picture not in listed:
            tally.read += 1
            tally.fault(f"{unit / picture} is in no row", UNLISTED)


@contextmanager
def open_folder(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open a folder to fetch its pictures by path."""
    yield lambda row: read_picture_file(unit / row["picture"])


def find_folder(config: CollectionConfig) -> list[Path]:
    """The folder as the only unit; raises CorpusError if it holds no picture."""
    folder = Path(config.path or "")
    if not folder.is_dir():
        raise CorpusError(f"there is no folder {folder}; the kind image_folder wants one")
    if next(_pictures(folder), None) is None:
        raise CorpusError(f"no pictures in {folder}; looked for {' '.join(PICTURE_SUFFIXES)}")
    return [folder]


def _pictures(folder: Path) -> Iterator[str]:
    """Yield paths of pictures below the folder, in order, without hidden files and folders."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith("."):
                yield Path(here, name).relative_to(folder).as_posix()


def _pick(column: str | None, columns: Sequence[str], path: Path) -> list[str]:
    names = path_columns(list(columns))
    if not names:
        raise missing_column(path, FILE_NAME, columns)
    rest = [name for name in columns if name not in names]
    return [choose_column(rest, column, path), *names]


def _row_each_picture(rows: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    """Rows (prompt, picture) for each of the columns of pictures; null pictures give none."""
    prompt, *names = rows.columns
    parts = [
        rows.select(
            pl.col(prompt).alias("prompt"), pl.col(name).cast(pl.String).alias("picture")
        ).with_row_index("row")
        for name in names
    ]
    each = pl.concat(parts).sort("row", maintain_order=True).drop("row")
    kept = each if len(names) == 1 else each.filter(pl.col("picture").is_not_null())
    tally.read += kept.height - rows.height
    return kept


def _with_places(unit: Path, table: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """PAIRS of a table: picture paths relative to the unit, and the fault of each, if any."""
    places, faults = [], []
    for name in rows["picture"]:
        path = Path(os.path.normpath(locate(table.parent, name or "")))
        inside = path.is_relative_to(os.path.normpath(unit))
        places.append(path.relative_to(os.path.normpath(unit)).as_posix() if inside else name)
        faults.append(None if inside and path.is_file() else NO_FILE if inside else OUTSIDE)
    columns = (pl.Series("picture", places, pl.String), pl.Series("fault", faults, pl.String))
    return pairs_frame(rows.with_columns(columns))


def _without_repeats(frame: pl.DataFrame, seen: set[int], tally: Tally) -> pl.DataFrame:
    """Drop rows that repeat a picture and its prompt."""
    keys = [hash(key) for key in frame.select("picture", "prompt").iter_rows()]
    new = []
    for key in keys:
        new.append(key not in seen)
        seen.add(key)
    tally.drop(REPEATED, len(new) - sum(new))
    return frame.filter(pl.Series(new, dtype=pl.Boolean))


def _with_texts(
    unit: Path, pictures: Sequence[str], config: CollectionConfig, tally: Tally
) -> pl.DataFrame:
    rows: list[tuple[str, str]] = []
    for picture in pictures:
        tally.read += 1
        found = texts_beside(unit / picture, config.column)
        if not found:
            tally.fault(
                f"{unit / picture} has no {TEXT} beside it and no prompt in it", WITHOUT_TEXT
            )
            continue
        kept = found[:1] if config.captions == FIRST else found
        tally.read += len(kept) - 1
        rows += [(prompt, picture) for prompt in kept]
    columns = [[row[0] for row in rows], [row[1] for row in rows]]
    return pairs_frame(text_frame(["prompt", "picture"], columns, tally))


def _count_lone_texts(unit: Path, tally: Tally) -> None:
    """Count texts without a picture of the same name, such as a README, as faults."""
    stems = {Path(picture).with_suffix("") for picture in _pictures(unit)}
    for path in sorted(unit.rglob(f"*{TEXT}")):
        if path.relative_to(unit).with_suffix("") not in stems:
            tally.read += 1
            tally.fault(f"{path} has no picture beside it", LONE_TEXT)


IMAGE_FOLDER = Kind(
    name="image_folder",
    title="ImageFolder, or pictures with a .txt each",
    files="a folder of pictures with metadata.jsonl, .csv, .parquet, prompts.json, or a .txt each",
    licence="that of your pictures",
    read=list_folder,
    settings=("column", "captions"),
    example={"path": "my-pictures"},
    pairs=PairReader(list_folder, open_folder),
    find=find_folder,
)
