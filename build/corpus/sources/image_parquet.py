"""Parquet files with encoded pictures -> PAIRS rows, and pictures by row.

As on the Hugging Face hub, a column holds bytes, or structs of `bytes` and `path`; another column
holds the prompt.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, CollectionConfig
from unprompt.build.corpus.sources.kind import Kind
from unprompt.build.corpus.sources.pairs import Fetch, PairReader, pairs_frame
from unprompt.index.base.errors import CorpusError
from unprompt.index.captions.columns import holds_texts, row_each
from unprompt.index.captions.names import field_of, fields_below
from unprompt.index.formats.parquet import readable_parquet, scan_batches
from unprompt.index.formats.rows import choose_column
from unprompt.index.formats.tally import Tally
from unprompt.index.images.parquet_pictures import read_row
from unprompt.index.images.picture_columns import find_picture_column, name_of_picture


def list_parquet(unit: Path, config: CollectionConfig, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield the pairs of a file without reading pictures."""
    with readable_parquet(unit):
        scan = pl.scan_parquet(unit)
        schema = scan.collect_schema()
        picture = _picture_column(unit, schema)
        below = fields_below(schema).items()
        texts = [name for name, kind in below if holds_texts(kind) and kind != pl.Binary]
        prompt = choose_column(_besides(texts, picture), config.column, unit)
        wanted = scan.with_row_index("offset").select(
            field_of(list(schema), prompt).alias("prompt"),
            name_of_picture(schema, picture).alias("picture"),
            "offset",
        )
        number = pl.col("offset").cast(pl.String).str.zfill(8)
        for rows in scan_batches(wanted, tally):
            each, added = row_each(rows, "prompt", config.captions == FIRST)
            tally.read += added
            yield pairs_frame(each.with_columns(pl.col("picture").fill_null(number)))


@contextmanager
def open_parquet(unit: Path, config: CollectionConfig) -> Iterator[Fetch]:
    """Open a file to fetch pictures by row; it reads a few rows at a time."""
    _picture_column(unit, _schema(unit))

    def fetch(row: Mapping[str, Any]) -> bytes:
        return read_row(str(unit), row["offset"], f"{unit}/{row['picture']}", most_bytes=None)

    yield fetch


def _besides(columns: Sequence[str], picture: str) -> list[str]:
    """The columns without that of the pictures and its fields."""
    return [name for name in columns if name != picture and not name.startswith(f"{picture}.")]


def _schema(unit: Path) -> pl.Schema:
    with readable_parquet(unit):
        return pl.scan_parquet(unit).collect_schema()


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
    settings=("column", "captions"),
    example={"path": "lexica_dataset/data"},
    pairs=PairReader(list_parquet, open_parquet),
)
