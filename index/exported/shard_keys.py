"""Chosen pictures of image shards -> their unit vectors (d,) by an image encoder."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.encoders.protocols import BulkEncoder
from unprompt.index.exported.bulk import encode_contents
from unprompt.index.images.shard_names import done_shards
from unprompt.index.images.shard_pictures import iterate_images
from unprompt.index.images.shards import read_shard_rows


def encode_chosen(
    shards: Path,
    wanted: Collection[int],
    encoder: BulkEncoder,
    progress: Progress = SILENT,
    what: str = "encode known pictures",
) -> dict[int, np.ndarray]:
    """Keys (d,) of the pictures with the image ids `wanted`, by id, without unreadable ones."""
    found: dict[int, np.ndarray] = {}
    numbers = done_shards(shards)
    for number in progress.track(numbers, what, len(numbers), 0):
        rows = read_shard_rows(shards, number).filter(pl.col("image_id").is_in(list(wanted)))
        ids = dict(zip(rows["key"].to_list(), rows["image_id"].to_list(), strict=True))
        contents = ((key, content) for key, content in iterate_images(shards, number) if key in ids)
        for key, vector in encode_contents(encoder, contents):
            if isinstance(vector, np.ndarray):
                found[ids[key]] = vector
    return found
