"""Rows of a batch, as `record_row` made them -> a results file: parquet, csv or jsonl."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.tables import write_table

Rows = Callable[[], Iterator[dict[str, Any]]]  # from the first on, at every call

TABLE_ROWS = 500  # rows turned into a table at a time
CANDIDATE = pl.Struct({"prompt": pl.String, "score": pl.Float64, "row_id": pl.Int64})
NEIGHBOR = pl.Struct(
    {"prompt": pl.String, "similarity": pl.Float64, "weight": pl.Float64, "row_id": pl.Int64}
)
CSV_COLUMNS = (
    "image", "prompt", "metadata_prompt", "expected_cosine", "outside", "score", "alpha",
    "negative_prompt", "status", "error_message",
)  # fmt: skip


def write_results(output: Path, rows: Rows) -> int:
    """Write the results file, whole or not at all; returns the number of rows.

    Several processes may write the same file at the same time.
    """
    suffix = output.suffix.lower()
    if suffix == ".parquet":
        table = pl.concat(_tables(rows))
        write_table(output, table, shared=True)
        return table.height
    if suffix == ".csv":
        table = pl.concat(part.select(CSV_COLUMNS) for part in _tables(rows))
        with write_atomically(output, shared=True) as temporary:
            table.write_csv(temporary)
        return table.height
    count = 0
    with (
        write_atomically(output, shared=True) as temporary,
        temporary.open("w", encoding="utf-8") as out,
    ):
        for row in rows():
            out.write(json.dumps(_readable(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def row_vectors(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[str, np.ndarray]]:
    """(image_id, vector) of every picture that could be inverted, in order."""
    for row in rows:
        if row["vector"] is not None:
            yield row["image_id"], decode_vector(row["vector"])


def _tables(rows: Rows) -> Iterator[pl.DataFrame]:
    """The rows as compact tables, so that no more than a block is held as Python values."""
    dim = next((len(decode_vector(r["vector"])) for r in rows() if r["vector"]), 384)
    blocks = rows()
    while block := list(islice(blocks, TABLE_ROWS)):
        yield results_table(block, dim)
    yield results_table([], dim)


def results_table(rows: list[dict[str, Any]], dim: int) -> pl.DataFrame:
    """Rows of `record_row` as a table; `vector` is an array of `dim` float32, or null."""
    schema: dict[str, Any] = {
        "image": pl.String,
        "image_id": pl.String,
        "status": pl.String,
        "error_message": pl.String,
        "prompt": pl.String,
        "negative_prompt": pl.String,
        "metadata_prompt": pl.String,
        "expected_cosine": pl.Float64,
        "outside": pl.Boolean,
        "novelty": pl.Float64,
        "score": pl.Float64,
        "alpha": pl.Float64,
        "candidates": pl.List(CANDIDATE),
        "neighbors": pl.List(NEIGHBOR),
        "vector": pl.Array(pl.Float32, dim),
    }
    return pl.DataFrame([_readable(row) for row in rows], schema=schema)


def encode_vector(vector: np.ndarray) -> str:
    """float32 values as base64, exact."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def decode_vector(text: str) -> np.ndarray:
    """The inverse of `encode_vector`: (d,) float32."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    vector = row["vector"]
    return {**row, "vector": None if vector is None else decode_vector(vector).tolist()}
