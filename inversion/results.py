"""Batch records -> a results file (parquet, csv or jsonl), appended as they come, safe to resume.

While a batch runs its records are lines of `OUTPUT.partial`, each complete on its own; the same
command goes on after the last whole line. The results file itself appears at the end, whole.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import polars as pl

from unprompt.index.durable import digest_json, write_atomically
from unprompt.index.errors import ConfigError, DamagedFileError, UnpromptError
from unprompt.index.tables import write_table
from unprompt.inversion.batch import BatchRecord
from unprompt.inversion.inversion import Candidate

TABLE_ROWS = 500  # rows turned into a table at a time
FORMATS = (".parquet", ".csv", ".jsonl")
CANDIDATE = pl.Struct({"prompt": pl.String, "score": pl.Float64, "row_id": pl.Int64})
NEIGHBOR = pl.Struct(
    {"prompt": pl.String, "similarity": pl.Float64, "weight": pl.Float64, "row_id": pl.Int64}
)
CSV_COLUMNS = (
    "image", "prompt", "metadata_prompt", "expected_cosine", "outside", "score", "alpha",
    "negative_prompt", "status", "error_message",
)  # fmt: skip


class ResultsLog:
    """The records of one batch, kept on disk while it runs."""

    def __init__(self, output: Path, identity: dict[str, Any]):
        if output.suffix.lower() not in FORMATS:
            raise ConfigError(
                f"--output {output} must end in one of {', '.join(FORMATS)}, got {output.suffix!r}"
            )
        self.output = output
        self.partial = output.with_name(output.name + ".partial")
        self._header = json.dumps({"batch": digest_json(identity)})

    def done(self) -> set[str]:
        """Names of the pictures that an interrupted run of the same batch has finished."""
        return {row["image"] for row in self.rows()}

    def discard(self) -> None:
        """Remove the partial file of a batch whose records are wanted in another form."""
        self.partial.unlink(missing_ok=True)

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """The partial file, ready to append after its last whole line.

        Raises UnpromptError where it cannot be written, for instance on a full disk.
        """
        whole = "".join(json.dumps(row) + "\n" for row in self.rows())
        with write_atomically(self.partial) as temporary:
            temporary.write_text(f"{self._header}\n{whole}", encoding="utf-8")
        try:
            with self.partial.open("a", encoding="utf-8") as lines:
                yield lines
        except OSError as error:
            raise UnpromptError(
                f"cannot write {self.partial}: {error.strerror or error}; free some space, then "
                "run the same command again: it goes on after the last picture written"
            ) from error

    def finish(self) -> int:
        """Turn the partial file into the results file; returns the number of rows."""
        suffix = self.output.suffix.lower()
        if suffix == ".parquet":
            table = pl.concat(self._tables())
            write_table(self.output, table)
            count = table.height
        elif suffix == ".csv":
            table = pl.concat(part.select(CSV_COLUMNS) for part in self._tables())
            with write_atomically(self.output) as temporary:
                table.write_csv(temporary)
            count = table.height
        else:
            count = 0
            with (
                write_atomically(self.output) as temporary,
                temporary.open("w", encoding="utf-8") as out,
            ):
                for row in self.rows():
                    out.write(json.dumps(_readable(row), ensure_ascii=False) + "\n")
                    count += 1
        self.partial.unlink()
        return count

    def _tables(self) -> Iterator[pl.DataFrame]:
        """The rows as compact tables, so that no more than a block is held as Python values."""
        rows = self.rows()
        dim = next((len(decode_vector(r["vector"])) for r in self.rows() if r["vector"]), 384)
        while block := list(islice(rows, TABLE_ROWS)):
            yield results_table(block, dim)
        yield results_table([], dim)

    def vectors(self) -> Iterator[tuple[str, np.ndarray]]:
        """(image_id, vector) of every picture that could be inverted, in order."""
        for row in self.rows():
            if row["vector"] is not None:
                yield row["image_id"], decode_vector(row["vector"])

    def rows(self) -> Iterator[dict[str, Any]]:
        """The whole lines of the partial file, as `record_row` made them."""
        if not self.partial.is_file():
            return
        with self.partial.open(encoding="utf-8") as lines:
            if lines.readline().rstrip("\n") != self._header:
                raise ConfigError(
                    f"{self.partial} was left by a batch with another bundle or other settings; "
                    "finish that one, delete the file, or choose another --output"
                )
            for line in lines:
                if line.endswith("\n"):
                    yield self._parse(line)

    def _parse(self, line: str) -> dict[str, Any]:
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            raise DamagedFileError(
                f"{self.partial} is damaged ({error}); delete it and run the same command again"
            ) from error


def append_record(log: TextIO, record: BatchRecord) -> None:
    """Write one record as one line and hand it to the disk."""
    log.write(json.dumps(record_row(record)) + "\n")
    log.flush()
    os.fsync(log.fileno())


def record_row(record: BatchRecord) -> dict[str, Any]:
    """A record as JSON values; the vector is base64 of little-endian float32."""
    answer = record.inversion
    written = answer.metadata_prompt if answer else None
    return {
        "image": record.image,
        "image_id": record.image_id,
        "status": record.status,
        "error_message": record.error_message,
        "prompt": answer.prompt if answer else None,
        "negative_prompt": answer.negative_prompt if answer else None,
        "metadata_prompt": written.prompt if written else None,
        "expected_cosine": _rounded(answer.expected_cosine if answer else None),
        "outside": answer.outside if answer else None,
        "novelty": _rounded(answer.novelty if answer else None),
        "score": answer.candidates[0].score if answer and answer.candidates else None,
        "alpha": answer.alpha if answer else None,
        "candidates": [_candidate(c) for c in answer.candidates] if answer else [],
        "neighbors": [_neighbor(n) for n in answer.neighbors] if answer else [],
        "vector": encode_vector(answer.vector) if answer else None,
    }


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


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "prompt": candidate.prompt,
        "score": round(candidate.score, 6),
        "row_id": candidate.row_id,
    }


def _neighbor(neighbor: Candidate) -> dict[str, Any]:
    return {
        "prompt": neighbor.prompt,
        "similarity": round(neighbor.similarity, 6),
        "weight": round(neighbor.weight, 6),
        "row_id": neighbor.row_id,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
