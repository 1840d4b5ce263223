"""The images table of one shard (n rows) and its n pictures -> the table with keys and digests."""

from collections.abc import Sequence

import polars as pl

from unprompt.index.base.durable import digest_bytes
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.tables import IMAGES, check_schema
from unprompt.index.images.pictures import PICTURE_SUFFIXES

MAX_ROWS = 10_000
MAX_SHARDS = 100_000


def sample_key(shard: int, row: int) -> str:
    """The name of a sample in its tar: 5 digits for the shard, 4 for the row."""
    if not 0 <= shard < MAX_SHARDS or not 0 <= row < MAX_ROWS:
        raise CorpusError(
            f"a shard number must be below {MAX_SHARDS} and a row below {MAX_ROWS}, got {shard} "
            f"and {row}; use smaller shards, or more or fewer of them"
        )
    return f"{shard:05d}{row:04d}"


def complete_rows(
    shard: int, rows: pl.DataFrame, encoded: Sequence[bytes | None], extensions: Sequence[str]
) -> pl.DataFrame:
    """Check that rows and pictures agree, and fill `key`, `shard` and `sha256`.

    Raises CorpusError if they disagree. A failed row has None in `encoded`.
    """
    check_schema(rows, IMAGES, f"the images table of shard {shard}")
    keys = [sample_key(shard, row) for row in range(rows.height)]
    wanted = ["failed" if content is None else "success" for content in encoded]
    for extension in set(extensions):
        if f".{extension}" not in PICTURE_SUFFIXES:
            raise CorpusError(f"pictures are stored as {PICTURE_SUFFIXES}, got {extension!r}")
    if rows.height != len(encoded):
        raise CorpusError(f"shard {shard} has {rows.height} rows but {len(encoded)} pictures")
    if rows["status"].to_list() != wanted:
        raise CorpusError(
            f"shard {shard}: each row with a picture must have status success, each without failed"
        )
    if any(key not in (None, "", own) for key, own in zip(rows["key"], keys, strict=True)):
        raise CorpusError(f"shard {shard}: the rows' keys must be {keys[0]} and so on, or null")
    if rows.filter(pl.col("prompt").is_null() & (pl.col("status") == "success")).height:
        raise CorpusError(f"shard {shard} has a picture without a prompt")
    digests = [None if content is None else digest_bytes(content) for content in encoded]
    return rows.with_columns(
        pl.Series("key", keys, pl.String),
        pl.lit(shard, pl.UInt32).alias("shard"),
        pl.Series("sha256", digests, pl.String),
    ).select(list(IMAGES))
