"""The tables that stages exchange: polars schemas, and parquet files checked against them."""

from pathlib import Path

import polars as pl

from unprompt.index.base.durable import write_atomically, write_error
from unprompt.index.base.errors import CorpusError

SPLITS = ("train", "validation", "test", "excluded")

PROMPTS = pl.Schema(
    {
        "prompt_id": pl.UInt64,  # first 8 bytes of the sha256 of the normalized prompt
        "prompt": pl.String,
        "source": pl.String,  # the file that it was read from, or "scenes"
        "group_id": pl.UInt64,  # lowest prompt_id of its near-duplicates; own without folds
        "split": pl.String,  # one of SPLITS
    }
)

IMAGES = pl.Schema(
    {
        "key": pl.String,  # the sample's name in its tar: shard number and row, 9 digits
        "image_id": pl.UInt64,  # digest of (prompt_id, seed, generator)
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "split": pl.String,
        "seed": pl.UInt64,
        "generator": pl.String,
        "settings": pl.String,  # JSON, enough to render the row again
        "shard": pl.UInt32,
        "sha256": pl.String,  # of the encoded image file; null where status is not "success"
        "width": pl.UInt32,
        "height": pl.UInt32,
        "status": pl.String,  # success | failed
        "error_message": pl.String,
    }
)

ROWS = pl.Schema(
    {
        "row": pl.UInt32,  # position in targets.npy and in the insertion order of index.faiss
        "row_id": pl.Int64,  # stable id, stored in FAISS
        "image_id": pl.UInt64,
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "key": pl.String,  # of the image in its shards; seed and generator render it again
        "seed": pl.UInt64,
        "generator": pl.String,
    }
)

COSINES = pl.Schema(
    {
        "image_id": pl.UInt64,
        "prompt_id": pl.UInt64,
        "prompt": pl.String,
        "split": pl.String,
        "cosine": pl.Float64,  # between the recovered and the true prompt's vector
        "expected_cosine": pl.Float64,  # as the answer estimates it; null without calibration
    }
)


def check_schema(table: pl.DataFrame, schema: pl.Schema, name: str) -> pl.DataFrame:
    """`table` with the columns of `schema` only, in that order; raises CorpusError for others."""
    missing = [column for column in schema if column not in table.columns]
    wrong = [
        f"{column} is {table.schema[column]}, wanted {kind}"
        for column, kind in schema.items()
        if column in table.columns and table.schema[column] != kind
    ]
    if missing or wrong:
        faults = [f"column {column} is missing" for column in missing] + wrong
        raise CorpusError(f"{name} does not hold what it must: {'; '.join(faults)}")
    return table.select(list(schema))


def read_table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Read a parquet file and check it against `schema`."""
    if not path.is_file():
        raise CorpusError(f"no table at {path}; run `unprompt build` to make it")
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(
            f"{path} is not a readable parquet file ({error}); delete it and run `unprompt build`"
        ) from error
    return check_schema(table, schema, str(path))


def write_table(path: Path, table: pl.DataFrame, schema: pl.Schema | None = None) -> None:
    """Write a parquet file atomically; equal rows give equal bytes."""
    checked = table if schema is None else check_schema(table, schema, str(path))
    with write_atomically(path) as temporary:
        try:
            checked.write_parquet(temporary, compression="zstd", statistics=False)
        except pl.exceptions.PolarsError as error:  # polars reports a full disk this way
            raise write_error(error, temporary) from error
