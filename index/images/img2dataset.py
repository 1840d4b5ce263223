"""The parquet file and tar of an img2dataset shard -> a table with the columns IMAGES.

A picture with several captions has a row for each; the rows share their key.
"""

from pathlib import Path

import polars as pl

from unprompt.index.archives.tars import read_member, tar_members
from unprompt.index.base.durable import stable_id
from unprompt.index.base.errors import CorpusError, DamagedFileError
from unprompt.index.base.tables import IMAGES
from unprompt.index.captions.columns import caption_lists, holds_texts
from unprompt.index.captions.names import field_of, fields_below, find_name
from unprompt.index.captions.normalize import normalize
from unprompt.index.images.samples import (
    Sample,
    is_picture,
    read_samples,
    sample_texts,
    split_name,
)
from unprompt.index.images.shard_keys import full_key, pad_keys

CAPTION_COLUMNS = ("caption", "captions", "prompt", "prompts", "text", "texts")
GENERATOR = "unknown"
SEED = 0
NO_PROMPT = "no prompt: the row has no caption and the tar no text for it"


def from_img2dataset(table: pl.DataFrame, tar: Path, shard: int) -> pl.DataFrame:
    """IMAGES rows of a shard that img2dataset wrote. A row without a prompt gets status failed.

    Prompts are normalized as those of a corpus. `sha256` is copied: img2dataset computes it from
    the downloaded file, before resizing. Raises CorpusError if the table has no column `key` or
    `status`.
    """
    missing = [column for column in ("key", "status") if column not in table.columns]
    if missing:
        raise CorpusError(
            f"{tar.with_suffix('.parquet')} has no column {' and no column '.join(missing)}; "
            f"wanted an images table of `unprompt build` or of img2dataset, got {table.columns}"
        )
    keys = pad_keys(table["key"], lambda: _first_key(tar))
    status = table["status"].cast(pl.String, strict=False)
    rows = _with_prompts(table.with_columns(keys.alias("key"), status.alias("status")), tar)
    prompts = rows["prompt"].to_list()
    prompt_ids = [None if prompt is None else stable_id(prompt) for prompt in prompts]
    urls = rows["url"].to_list() if "url" in rows.columns else [""] * rows.height
    image_ids = [
        stable_id(prompt_id, SEED, GENERATOR, key, url)
        for prompt_id, key, url in zip(prompt_ids, rows["key"], urls, strict=True)
    ]
    names = [full_key(tar.stem, key) for key in rows["key"]]
    succeeded = (pl.col("status") == "success") & pl.col("prompt").is_not_null()
    return rows.select(
        pl.Series("key", names, pl.String),
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
    if column not in rows.columns or rows[column].dtype.is_nested():
        return pl.lit(None, kind).alias(column)
    return pl.col(column).cast(kind, strict=False)


def _with_prompts(rows: pl.DataFrame, tar: Path) -> pl.DataFrame:
    """`rows` with a column `prompt`, a row a text: the captions, or else the texts of the tar."""
    captions = _captions(rows)
    succeeded = (rows["status"] == "success").fill_null(False)
    lacking = [
        key
        for key, texts, wanted in zip(rows["key"], captions, succeeded, strict=True)
        if wanted and not texts
    ]
    found = _read_texts(tar, set(lacking)) if lacking else {}
    prompts = [
        texts or found.get(key, []) for key, texts in zip(rows["key"], captions, strict=True)
    ]
    several = pl.Series("prompt", [texts or [None] for texts in prompts], pl.List(pl.String))
    exploded = rows.with_columns(several).explode("prompt")
    normal = normalize(exploded["prompt"])
    blank = pl.when(pl.col("prompt") != "").then(pl.col("prompt"))
    return exploded.with_columns(normal.alias("prompt")).with_columns(blank.alias("prompt"))


def _captions(rows: pl.DataFrame) -> list[list[str]]:
    """The captions of each row: those of the first of CAPTION_COLUMNS that can hold some."""
    schema = {name: kind for name, kind in fields_below(rows.schema).items() if holds_texts(kind)}
    column = find_name(list(schema), CAPTION_COLUMNS)
    if column is None:
        return [[] for _ in range(rows.height)]
    return caption_lists(rows.select(field_of(rows.columns, column).alias("caption"))["caption"])


def _read_texts(tar: Path, keys: set[str]) -> dict[str, list[str]]:
    """Captions by key, from the texts of the tar; a text that cannot be read gives none."""
    samples: dict[str, Sample] = {}
    try:
        read_samples(tar_members(tar), samples)
    except DamagedFileError:
        pass  # the picture of a row behind the damage is missing too, and is told
    texts = {}
    for name, sample in samples.items():
        key = name if name in keys else name.rpartition("/")[2]
        if key in keys and key not in texts:
            try:
                texts[key] = sample_texts(sample.texts, lambda one: read_member(tar, one), None)
            except (ValueError, RecursionError, DamagedFileError):
                texts[key] = []
    return texts


def _first_key(tar: Path) -> str | None:
    """The key of the first picture in a tar; None without one."""
    try:
        for member in tar_members(tar):
            key, suffix = split_name(member.name)
            if is_picture(suffix):
                return key.rpartition("/")[2]
    except DamagedFileError:
        return None
    return None
