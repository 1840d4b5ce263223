"""Parquet files with encoded pictures -> PAIRS rows, pictures by their row.

As Hugging Face stores pictures: a column of bytes, or a struct of `bytes` and `path`, beside a
column with the prompt.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.formats.rows import BATCH, choose_column
from unprompt.build.corpus.formats.tally import Tally
from unprompt.build.corpus.sources.collection import CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame
from unprompt.index.base.errors import CorpusError, UnreadableImageError
from unprompt.index.images.picture_columns import find_picture_column, name_of_picture

BLOCK = 64  # pictures in memory at a time


def list_parquet(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """The pairs of a file, without opening a picture."""
    try:
        scan = pl.scan_parquet(unit)
        schema = scan.collect_schema()
        picture = _picture_column(unit, schema)
        texts = [name for name, kind in schema.items() if kind == pl.String]
        prompt = choose_column(texts, config.column, unit)
        wanted = scan.with_row_index("offset").select(
            pl.col(prompt).alias("prompt"),
            name_of_picture(schema, picture).alias("picture"),
            "offset",
        )
        count = int(scan.select(pl.len()).collect().item())
        for start in range(0, count, BATCH):
            rows = wanted.slice(start, BATCH).collect()
            tally.read += rows.height
            number = pl.col("offset").cast(pl.String).str.zfill(8)
            yield pairs_frame(rows.with_columns(pl.col("picture").fill_null(number)))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{unit} is not a readable parquet file: {error}") from error


@contextmanager
def open_parquet(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Fetches pictures by row, a block of rows at a time."""
    scan = pl.scan_parquet(unit)
    column = _picture_column(unit, scan.collect_schema())

    @lru_cache(maxsize=1)
    def block(number: int) -> list[Any]:
        return scan.select(column).slice(number * BLOCK, BLOCK).collect()[column].to_list()

    def fetch(row: Mapping[str, Any]) -> bytes:
        try:
            content = block(row["offset"] // BLOCK)[row["offset"] % BLOCK]
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UnreadableImageError(f"cannot read {unit}: {error}") from error
        found = content.get("bytes") if isinstance(content, dict) else content
        if not found:
            raise UnreadableImageError(f"row {row['offset']} of {unit} holds no picture")
        return bytes(found)

    yield fetch


def _picture_column(unit: Path, schema: pl.Schema) -> str:
    column = find_picture_column(schema)
    if column is None:
        raise CorpusError(
            f"{unit} has no column of pictures; wanted bytes, or a struct with `bytes`, got "
            f"{', '.join(schema)}"
        )
    return column


IMAGE_PARQUET = Kind(
    name="image_parquet",
    title="parquet files with pictures, as Hugging Face stores them",
    files="*.parquet with a column of bytes, or of structs with `bytes`",
    licence="that of your pictures",
    read=list_parquet,
    patterns=(("*.parquet",),),
    settings=("column",),
    example={"path": "lexica_dataset/data"},
    pairs=PairReader(list_parquet, open_parquet),
)
