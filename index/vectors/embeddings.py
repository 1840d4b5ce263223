"""Embeddings on disk in clip-retrieval's layout: rows, and vectors (n, d) float16 of unit length.

FOLDER/embeddings.json             space and dimension of the encoder
FOLDER/img_emb/img_emb_00000.npy   or text_emb/text_emb_00000.npy
FOLDER/metadata/metadata_00000.parquet  row i describes vector i
FOLDER/stats/stats_00000.json            digests, written last: the part is done once it exists
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic.dataclasses import dataclass

from unprompt.index.base.durable import (
    digest_file,
    read_json,
    write_atomically,
    write_json,
)
from unprompt.index.base.errors import DamagedFileError
from unprompt.index.base.settings import STRICT, read_settings, write_settings
from unprompt.index.base.tables import check_schema, read_table, write_table
from unprompt.index.encoders.protocols import check_same_space
from unprompt.index.vectors.live_rows import LiveRows
from unprompt.index.vectors.matrix import Matrix, join_rows, open_matrix

KeyKind = Literal["image", "text"]
DESCRIPTION = "embeddings.json"

METADATA = pl.Schema(
    {
        "image_path": pl.String,  # key of the image in its shard
        "caption": pl.String,
        "image_id": pl.UInt64,
        "prompt_id": pl.UInt64,
        "split": pl.String,
        "seed": pl.UInt64,
        "generator": pl.String,
        "status": pl.String,  # success | failed; a failed image has no vector
        "error_message": pl.String,
    }
)


@dataclass(frozen=True, config=STRICT)
class EmbeddingsInfo:
    """The encoder of a folder of embeddings."""

    space: str
    dim: int
    keys: KeyKind = "image"
    normalized: bool = True  # vectors have unit length: for other readers of the folder


class Embeddings(NamedTuple):
    """Vectors and the rows that describe them."""

    rows: pl.DataFrame  # METADATA, n rows of status success
    vectors: Matrix  # (n, d) float16, unit length
    info: EmbeddingsInfo


def start_embeddings(folder: Path, info: EmbeddingsInfo) -> None:
    """Record the encoder of `folder`; raises SpaceMismatchError if another one is recorded."""
    path = folder / DESCRIPTION
    if path.is_file():
        begun = read_embeddings_info(folder)
        remedy = f"Choose another output, or delete {folder} to embed again."
        check_same_space(info.space, begun.space, str(folder), remedy)
        return
    write_json(path, write_settings(info))


def read_embeddings_info(folder: Path) -> EmbeddingsInfo:
    """The encoder that made the vectors in `folder`."""
    path = folder / DESCRIPTION
    return read_settings(EmbeddingsInfo, read_json(path), str(path))


def write_part(
    folder: Path,
    part: int,
    rows: pl.DataFrame,
    vectors: np.ndarray,
    keys: KeyKind,
    source: str = "",
) -> None:
    """Write the vectors (n, d) of the successful rows, their metadata, then the stats file.

    `source` is a digest of what was embedded: the part is outdated once it changes.
    """
    vectors_path, metadata_path, stats_path = _paths(folder, part, keys)
    with write_atomically(vectors_path) as temporary, temporary.open("wb") as handle:
        np.save(handle, np.ascontiguousarray(vectors, dtype=np.float16))
    successes = rows.filter(pl.col("status") == "success")
    write_table(metadata_path, successes, METADATA)
    failed = rows.filter(pl.col("status") != "success")
    write_json(
        stats_path,
        {
            "count": rows.height,
            "source": source,
            "successes": successes.height,
            "failed": failed.select("image_path", "error_message").to_dicts(),
            "sha256": {p.name: digest_file(p) for p in (vectors_path, metadata_path)},
        },
    )


def part_is_done(folder: Path, part: int, keys: KeyKind, source: str = "") -> bool:
    """Whether `write_part` finished this part from the same `source`."""
    path = _paths(folder, part, keys)[2]
    return path.is_file() and bool(read_json(path)["source"] == source)


def failed_images(folder: Path, parts: Sequence[int]) -> list[tuple[str, str]]:
    """(image_path, error_message) of the images of finished parts that have no vector."""
    keys = read_embeddings_info(folder).keys
    paths = [_paths(folder, part, keys)[2] for part in parts]
    stats = [read_json(path) for path in paths if path.is_file()]
    return [(row["image_path"], row["error_message"]) for one in stats for row in one["failed"]]


def done_parts(folder: Path) -> list[int]:
    """The numbers of the finished parts, ascending."""
    return sorted(int(path.stem.split("_")[1]) for path in (folder / "stats").glob("stats_*.json"))


def vector_paths(folder: Path) -> list[Path]:
    """The .npy files of all finished parts, in order."""
    keys = read_embeddings_info(folder).keys
    return [_paths(folder, part, keys)[0] for part in done_parts(folder)]


def read_embeddings(folder: Path, verify: bool = False) -> Embeddings:
    """All finished parts of `folder`, in memory; raises DamagedFileError for a broken part."""
    opened = open_embeddings(folder, verify)
    return opened._replace(vectors=np.asarray(opened.vectors))


def open_embeddings(folder: Path, verify: bool = False) -> Embeddings:
    """All finished parts of `folder`, with vectors that stay on disk until they are used.

    `verify` compares digests. Raises DamagedFileError for a broken part.
    """
    info = read_embeddings_info(folder)
    tables, blocks = [], []
    for part in done_parts(folder):
        vectors_path, metadata_path, stats_path = _paths(folder, part, info.keys)
        if verify:
            _verify_part(read_json(stats_path), (vectors_path, metadata_path))
        rows = check_schema(read_table(metadata_path, METADATA), METADATA, str(metadata_path))
        vectors = _load_vectors(vectors_path, info.dim)
        if len(vectors) != rows.height:
            raise DamagedFileError(
                f"{vectors_path} has {len(vectors)} vectors for {rows.height} rows; delete "
                f"{stats_path.name} and run `unprompt build --stage embed`"
            )
        tables.append(rows)
        blocks.append(vectors)
    if not tables:
        raise DamagedFileError(f"no finished part in {folder}; run `unprompt build --stage embed`")
    table = pl.concat(tables)
    return Embeddings(table, join_rows(blocks, LiveRows(table.height)), info)


def open_vectors(folder: Path) -> list[np.ndarray]:
    """The mapped vectors (n_i, d) float16 of all finished parts, in order."""
    info = read_embeddings_info(folder)
    return [_load_vectors(path, info.dim) for path in vector_paths(folder)]


def _load_vectors(path: Path, dim: int) -> np.ndarray:
    vectors = open_matrix(path)
    if vectors.shape[1] != dim:
        raise DamagedFileError(f"{path} has shape {vectors.shape}, wanted (n, {dim})")
    return vectors


def _verify_part(stats: dict[str, Any], paths: tuple[Path, ...]) -> None:
    for path in paths:
        if not path.is_file() or digest_file(path) != stats["sha256"][path.name]:
            raise DamagedFileError(
                f"{path} is not what was written; delete it and its stats file, then run "
                "`unprompt build --stage embed`"
            )


def _paths(folder: Path, part: int, keys: KeyKind) -> tuple[Path, Path, Path]:
    name = "img_emb" if keys == "image" else "text_emb"
    return (
        folder / name / f"{name}_{part:05d}.npy",
        folder / "metadata" / f"metadata_{part:05d}.parquet",
        folder / "stats" / f"stats_{part:05d}.json",
    )
