"""(image id, vector (d,)) pairs <-> the csv of the Kaggle competition, one number per line."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.encoders.protocols import PromptEncoder, to_unit_length

HEADER = "imgId_eId,val"


def write_submission(path: Path, vectors: Iterable[tuple[str, np.ndarray]]) -> int:
    """Write the file; returns the number of images. Each number is its shortest float32 text."""
    count = 0
    with (
        write_atomically(path, shared=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as out,
    ):
        out.write(HEADER + "\n")
        for image_id, vector in vectors:
            values = np.asarray(vector, dtype=np.float32)
            out.writelines(f"{image_id}_{place},{value!s}\n" for place, value in enumerate(values))
            count += 1
    return count


def read_submission(path: Path) -> tuple[list[str], np.ndarray]:
    """Image ids (n) and their vectors (n, d); raises ConfigError for any other kind of file."""
    try:
        table = pl.read_csv(path, schema_overrides={"imgId_eId": pl.String, "val": pl.Float64})
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"cannot read {path}: {error}; wanted a csv of {HEADER}") from error
    if table.columns != HEADER.split(",") or table.height == 0:
        raise ConfigError(
            f"{path} has columns {table.columns}, wanted {HEADER} and at least one row"
        )
    parts = table.select(
        pl.col("imgId_eId").str.extract(r"^(.*)_\d+$").alias("image"),
        pl.col("imgId_eId").str.extract(r"_(\d+)$").cast(pl.Int64).alias("place"),
        "val",
    )
    grouped = parts.group_by("image", maintain_order=True).agg(pl.col("val").sort_by("place"))
    lengths = grouped["val"].list.len().unique().to_list()
    if len(lengths) > 1 or parts.null_count().sum_horizontal()[0]:
        raise ConfigError(
            f"{path}: every image needs the same number of values, and none may be missing"
        )
    return grouped["image"].to_list(), np.array(grouped["val"].to_list(), dtype=np.float32)


def match_truth(
    submission: Path, prompts: Path, encoder: PromptEncoder
) -> tuple[np.ndarray, np.ndarray]:
    """Submitted vectors (n, d) and the vectors (n, d) of the true prompts, both of unit length.

    `prompts` is a csv of imgId,prompt. Raises ConfigError if an image has no prompt there.
    """
    images, vectors = read_submission(submission)
    try:
        table = pl.read_csv(prompts, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"cannot read {prompts}: {error}; wanted imgId,prompt") from error
    if not {"imgId", "prompt"} <= set(table.columns):
        raise ConfigError(f"{prompts} has columns {table.columns}, wanted imgId and prompt")
    truth = dict(zip(table["imgId"].to_list(), table["prompt"].to_list(), strict=True))
    missing = [image for image in images if truth.get(image) is None]
    if missing:
        raise ConfigError(f"{prompts} has no prompt for {len(missing)} images, first {missing[0]}")
    return to_unit_length(vectors), encoder.encode([truth[image] for image in images])
