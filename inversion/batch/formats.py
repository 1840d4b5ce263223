"""Rows of a batch -> one results file. FORMATS lists the formats; a new one is one entry here.

Rows come from `BatchRecord.as_row`. The module loads no library by itself: help texts read FORMATS.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.index.base.durable import write_atomically
from unprompt.index.base.errors import ConfigError
from unprompt.index.texts.json_text import json_text

if TYPE_CHECKING:
    import polars as pl

Rows = Callable[[], Iterator[dict[str, Any]]]  # every call starts at the first row

ROWS_PER_BLOCK = 500  # rows that are Python values at the same time
CSV_COLUMNS = (
    "image", "prompt", "metadata_prompt", "expected_cosine", "outside", "world", "blank",
    "score", "alpha", "negative_prompt", "status", "error_message",
)  # fmt: skip


@dataclass(frozen=True)
class ResultsFormat:
    """One format of results files.

    `write(path, rows)` writes the file whole or not at all and returns the number of `units`.
    Several processes may write the same file at the same time.
    """

    name: str
    suffix: str  # of the file name
    content: str  # what the file holds, for help texts
    write: Callable[[Path, Rows], int]
    units: str = "rows"
    failures: str = ""  # what becomes of pictures that cannot be read, where no column says it


def find_format(output: Path, raw_csv: bool = False) -> ResultsFormat:
    """The format that the suffix of `output` names; raises ConfigError for any other suffix.

    `raw_csv` keeps the texts of a CSV as they are.
    """
    suffix = output.suffix.lower()
    formats = (RAW_CSV, *FORMATS) if raw_csv else FORMATS
    found = next((known for known in formats if known.suffix == suffix), None)
    if found is None:
        suffixes = ", ".join(known.suffix for known in FORMATS)
        raise ConfigError(f"--output {output} must end in one of {suffixes}, got {output.suffix!r}")
    return found


def describe_formats() -> str:
    """The suffixes with what each file holds, for help texts."""
    return "; ".join(f"{known.suffix} holds {known.content}" for known in FORMATS)


def _write_parquet(output: Path, rows: Rows) -> int:
    from unprompt.index.base.tables import write_table

    table = _table(rows)
    write_table(output, table)
    return table.height


def _write_csv(output: Path, rows: Rows, raw: bool = False) -> int:
    from unprompt.inversion.batch.csv_cells import harmless_table

    table = _table(rows, CSV_COLUMNS)
    with write_atomically(output) as temporary:
        (table if raw else harmless_table(table)).write_csv(temporary)
    return table.height


def _write_jsonl(output: Path, rows: Rows) -> int:
    count = 0
    with (
        write_atomically(output) as temporary,
        temporary.open("w", encoding="utf-8") as out,
    ):
        for row in map(_with_numbers, rows()):
            out.write(json_text(row) + "\n")
            count += 1
    return count


def submission_format(bundle: Path) -> ResultsFormat:
    """The competition's csv; a picture that cannot be read gets the mean vector of `bundle`."""

    def write(output: Path, rows: Rows) -> int:
        from unprompt.inversion.batch.records import row_vectors
        from unprompt.inversion.batch.submission import mean_answer, write_submission

        return write_submission(output, row_vectors(rows()), partial(mean_answer, bundle))

    return ResultsFormat(
        "submission", ".csv", "imgId_eId,val: one line per number", write, "images",
        "a picture that cannot be read has the mean prompt vector of the bundle",
    )  # fmt: skip


def _table(rows: Rows, columns: Sequence[str] | None = None) -> "pl.DataFrame":
    """The rows as one table; no more than one block of them is Python values at a time."""
    import polars as pl

    from unprompt.inversion.batch.records import row_vectors

    dim = next((len(one) for _, one in row_vectors(rows()) if one is not None), 384)
    schema = _schema(dim)
    blocks, source = [], rows()
    while block := list(map(_with_numbers, islice(source, ROWS_PER_BLOCK))):
        blocks.append(pl.DataFrame(block, schema=schema).select(columns or list(schema)))
    empty = pl.DataFrame([], schema=schema).select(columns or list(schema))
    return pl.concat([*blocks, empty])


def _schema(dim: int) -> dict[str, Any]:
    import polars as pl

    score = {"score": pl.Float64, "row_id": pl.Int64}
    evidence = {"similarity": pl.Float64, "weight": pl.Float64, "row_id": pl.Int64}
    texts = ("image", "image_id", "status", "error_message", "prompt", "negative_prompt",
             "metadata_prompt")  # fmt: skip
    return {
        **dict.fromkeys(texts, pl.String),
        "expected_cosine": pl.Float64,
        "outside": pl.Boolean,
        "world": pl.String,
        "blank": pl.Boolean,
        "novelty": pl.Float64,
        "score": pl.Float64,
        "alpha": pl.Float64,
        "metadata": pl.Struct(
            {
                **dict.fromkeys(("negative_prompt", "generator", "model", "sampler"), pl.String),
                "loras": pl.List(pl.Struct({"name": pl.String, "weight": pl.Float64})),
                "seed": pl.UInt64,
                "steps": pl.Int64,
                "guidance": pl.Float64,
                "size": pl.List(pl.Int64),  # width, height
            }
        ),
        "candidates": pl.List(pl.Struct({"prompt": pl.String, **score})),
        "neighbors": pl.List(pl.Struct({"prompt": pl.String, **evidence})),
        "vector": pl.Array(pl.Float32, dim),
    }


def _with_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its vector as a list of numbers."""
    from unprompt.inversion.batch.records import decode_vector

    vector = row["vector"]
    return {**row, "vector": None if vector is None else decode_vector(vector).tolist()}


FORMATS = (
    ResultsFormat(
        "parquet", ".parquet", "all columns with candidates, neighbors and vectors", _write_parquet
    ),
    ResultsFormat("CSV", ".csv", "the prompt, its scores and the status", _write_csv),
    ResultsFormat("JSONL", ".jsonl", "all columns, one JSON object per picture", _write_jsonl),
)
RAW_CSV = ResultsFormat(
    "CSV", ".csv", "the prompt, its scores and the status", partial(_write_csv, raw=True)
)
