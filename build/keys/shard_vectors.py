"""One image shard -> METADATA rows, and the unit vectors (n, d_image) fp16 of those with one."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.errors import DamagedFileError, UnreadableImageError
from unprompt.index.base.tables import IMAGES
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import has_digests, read_shard_rows

NOT_IN_TAR = "no picture: the tar holds none for this row"
UNLISTED = "no prompt: the table has no row for this picture, or it is the second one of its key"


def embed_shard(shards: Path, number: int, encoder: BulkEncoder) -> tuple[pl.DataFrame, np.ndarray]:
    """METADATA rows of a shard, and the vectors of those that have one.

    A picture with several captions has a row and a vector for each. A row without a picture, and a
    picture without a row, are failed rows.
    """
    rows = read_shard_rows(shards, number)
    found: dict[str, np.ndarray | str] = {}  # vector, or fault, by key
    for key, vector in encode_contents(encoder, iterate_images(shards, number)):
        if isinstance(vector, UnreadableImageError):
            found[key] = str(vector)
        else:
            found[key] = vector.astype(np.float16)
    drawn = rows.filter(pl.col("status") == "success")
    own = has_digests(shards, number)
    if own:
        _check_complete(shards, number, set(drawn["key"]), set(found))
    order = {key: place for place, key in enumerate(found)}
    faults = {key: fault for key, fault in found.items() if isinstance(fault, str)}
    placed = drawn.with_columns(
        pl.Series("place", [order.get(key) for key in drawn["key"]], pl.UInt32),
        pl.Series(
            "fault",
            [faults.get(key) if key in found else NOT_IN_TAR for key in drawn["key"]],
            pl.String,
        ),
    ).sort("place", nulls_last=True, maintain_order=True)
    whole = placed.filter(pl.col("fault").is_null())["key"]
    vectors = np.array([found[key] for key in whole], np.float16).reshape(-1, encoder.dim)
    left_out = [] if own else _left_out(rows, found)
    return pl.concat([_metadata(placed), *left_out]), vectors


def _check_complete(shards: Path, number: int, listed: set[str], found: set[str]) -> None:
    """Raises DamagedFileError where tar and table of a shard of unprompt disagree."""
    if listed - found:
        raise DamagedFileError(
            f"shard {number:05d} of {shards} lists {len(listed - found)} pictures that its tar "
            "does not hold; run `unprompt build CONFIG --stage images` again: it writes the shard "
            "again"
        )
    if found - listed:
        raise DamagedFileError(f"the tar of shard {number:05d} of {shards} holds unlisted pictures")


def _left_out(rows: pl.DataFrame, found: Iterable[str]) -> list[pl.DataFrame]:
    """METADATA of what has no vector: the failed rows of a table, and pictures of no row."""
    failed = rows.filter(pl.col("status") != "success")
    known = set(rows["key"])
    unlisted = [key for key in found if key not in known]
    pictures = pl.DataFrame({"key": unlisted}, schema={"key": pl.String})
    return [
        _metadata(failed.with_columns(pl.col("error_message").fill_null("failed").alias("fault"))),
        _metadata(pictures.with_columns(pl.lit(UNLISTED).alias("fault"))),
    ]


def _metadata(listed: pl.DataFrame) -> pl.DataFrame:
    """METADATA of rows with a fault or none; columns that are not there are null."""
    fault = pl.col("fault")
    status = pl.when(fault.is_null()).then(pl.lit("success")).otherwise(pl.lit("failed"))
    absent = [pl.lit(None, kind).alias(name) for name, kind in IMAGES.items() if name not in listed]
    return listed.with_columns(absent).select(
        pl.col("key").alias("image_path"),
        pl.col("prompt").alias("caption"),
        "image_id",
        "prompt_id",
        "split",
        "seed",
        "generator",
        status.alias("status"),
        fault.alias("error_message"),
    )
