"""The parquet file and tar of an img2dataset shard -> a table with the columns IMAGES."""

from pathlib import Path

import polars as pl

from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import IMAGES
from unprompt.index.images.tars import read_member, tar_members

CAPTION_COLUMNS = ("caption", "prompt", "text")
GENERATOR = "unknown"
SEED = 0
NO_PROMPT = "no prompt: the row has no caption and the tar no .txt member for it"


def from_img2dataset(table: pl.DataFrame, tar: Path, shard: int) -> pl.DataFrame:
    """IMAGES rows of a shard that img2dataset wrote. A row without a prompt gets status failed.

    `sha256` is copied: img2dataset computes it from the downloaded file, before resizing. Raises
    CorpusError if the table has no column `key` or `status`.
    """
    missing = [column for column in ("key", "status") if column not in table.columns]
    if missing:
        raise CorpusError(
            f"{tar.with_suffix('.parquet')} has no column {' and no column '.join(missing)}; "
            f"wanted an images table of `unprompt build` or of img2dataset, got {table.columns}"
        )
    rows = _with_prompts(table.with_columns(pl.col("key").cast(pl.String)), tar)
    prompts = rows["prompt"].to_list()
    prompt_ids = [None if prompt is None else stable_id(prompt) for prompt in prompts]
    urls = rows["url"].to_list() if "url" in rows.columns else [""] * rows.height
    image_ids = [
        stable_id(prompt_id, SEED, GENERATOR, key, url)
        for prompt_id, key, url in zip(prompt_ids, rows["key"], urls, strict=True)
    ]
    succeeded = (pl.col("status") == "success") & pl.col("prompt").is_not_null()
    return rows.select(
        "key",
        pl.Series("image_id", image_ids, pl.UInt64),
        pl.Series("prompt_id", prompt_ids, pl.UInt64),
        "prompt",
        pl.lit("train").alias("split"),
        pl.lit(SEED, pl.UInt64).alias("seed"),
        pl.lit(GENERATOR).alias("generator"),
        pl.lit("{}").alias("settings"),
        pl.lit(shard, pl.UInt32).alias("shard"),
        *(_column_or_null(rows, column) for column in ("sha256", "width", "height")),
        pl.when(succeeded).then(pl.lit("success")).otherwise(pl.lit("failed")).alias("status"),
        _error_message(rows).alias("error_message"),
    ).select(list(IMAGES))


def _error_message(rows: pl.DataFrame) -> pl.Expr:
    message = _column_or_null(rows, "error_message")
    return (
        pl.when((pl.col("status") == "success") & pl.col("prompt").is_null())
        .then(pl.lit(NO_PROMPT))
        .when(pl.col("status") == "success")
        .then(pl.lit(None, pl.String))
        .otherwise(pl.coalesce(message, pl.col("status"), pl.lit("failed")))
    )


def _column_or_null(rows: pl.DataFrame, column: str) -> pl.Expr:
    kind = IMAGES[column]
    if column not in rows.columns:
        return pl.lit(None, kind).alias(column)
    return pl.col(column).cast(kind, strict=False)


def _with_prompts(rows: pl.DataFrame, tar: Path) -> pl.DataFrame:
    """`rows` with a column `prompt`: the caption, or else the .txt member in the tar."""
    column = next((name for name in CAPTION_COLUMNS if name in rows.columns), None)
    captions = (
        pl.Series([None] * rows.height, dtype=pl.String)
        if column is None
        else rows[column].cast(pl.String)
    )
    lacking = rows.filter(captions.is_null() & (rows["status"] == "success"))["key"]
    texts = _read_texts(tar, set(lacking)) if lacking.len() else {}
    prompts = [
        texts.get(key) if caption is None else caption
        for key, caption in zip(rows["key"], captions, strict=True)
    ]
    return rows.with_columns(pl.Series("prompt", prompts, pl.String))


def _read_texts(tar: Path, keys: set[str]) -> dict[str, str]:
    """Prompt by key, from the .txt members of `keys`."""
    texts = {}
    for member in tar_members(tar):
        key, _, extension = Path(member.name).name.partition(".")
        if extension == "txt" and key in keys:
            texts[key] = read_member(tar, member).decode("utf-8", errors="replace").strip()
    return texts
