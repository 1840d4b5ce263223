"""Prompt files -> chunks with the columns prompt, source and, where wanted, nsfw.

A parquet file is read in slices, so that it may be larger than memory; other files one at a time.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.clean import normalise
from unprompt.build.row_shards import ROWS_EACH
from unprompt.build.sources.prompts import ACCEPTED, FAULTS_SHOWN, READERS, ReadReport, read_prompts
from unprompt.build.sources.rows import choose_column
from unprompt.index.errors import CorpusError
from unprompt.index.progress import SILENT, Progress

PARQUET = ".parquet"


class PromptFiles:
    """Files to read one after the other; iterating again gives the same chunks."""

    def __init__(
        self,
        paths: Sequence[Path],
        column: str | None = None,
        nsfw_column: str | None = None,
        progress: Progress = SILENT,
    ):
        """`nsfw_column` none reads no scores. Raises CorpusError for a file that cannot be read."""
        for path in paths:
            if not path.is_file() or path.suffix.lower() not in READERS:
                wanted = "a prompt file" if path.exists() else "a file that exists"
                raise CorpusError(f"{path}: wanted {wanted}; {ACCEPTED}")
        self._paths, self._column = list(paths), column
        self._nsfw_column, self._progress = nsfw_column, progress
        self.report: dict[str, Any] = {}  # of the files that are not parquet, filled by reading

    def __iter__(self) -> Iterator[pl.DataFrame]:
        reports: list[ReadReport] = []
        for path in self._progress.track(self._paths, "clean", len(self._paths)):
            if path.suffix.lower() == PARQUET:
                yield from _slices(path, self._column, self._nsfw_column)
                continue
            read = read_prompts([path], self._column)
            reports.append(read.report)
            yield self._with_score(read.table)
        self.report = {"files": len(self._paths), **_sum_reports(reports)}

    def _with_score(self, table: pl.DataFrame) -> pl.DataFrame:
        if self._nsfw_column is None:
            return table
        return table.with_columns(pl.lit(None, pl.Float64).alias("nsfw"))


def read_nsfw(paths: Sequence[Path], column: str | None, nsfw_column: str) -> pl.DataFrame:
    """The highest score of each prompt in the parquet files that have scores: prompt, nsfw."""
    parts = [pl.DataFrame(schema={"prompt": pl.String, "nsfw": pl.Float64})]
    for path in paths:
        if path.suffix.lower() == PARQUET and nsfw_column in pl.read_parquet_schema(path):
            parts += [
                chunk.select(normalise(chunk["prompt"]).alias("prompt"), "nsfw")
                for chunk in _slices(path, column, nsfw_column)
            ]
    return pl.concat(parts).group_by("prompt").agg(pl.col("nsfw").max())


def _slices(path: Path, column: str | None, nsfw_column: str | None) -> Iterator[pl.DataFrame]:
    try:
        schema = pl.read_parquet_schema(path)
        name = choose_column(list(schema), column, path)
        if not isinstance(schema[name], pl.String | pl.Categorical | pl.Enum):
            raise CorpusError(f"{path}: column {name} holds {schema[name]}, wanted text")
        columns = [
            pl.col(name).cast(pl.String).alias("prompt"),
            pl.lit(path.name).alias("source"),
        ]
        if nsfw_column is not None:
            score = pl.col(nsfw_column) if nsfw_column in schema else pl.lit(None)
            columns.append(score.cast(pl.Float64).alias("nsfw"))
        frame = pl.scan_parquet(path).select(columns)
        height = pl.scan_parquet(path).select(pl.len()).collect().item()
        for start in range(0, height, ROWS_EACH):
            yield frame.slice(start, ROWS_EACH).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise CorpusError(f"{path} is not a readable parquet file: {error}") from error


def _sum_reports(reports: Sequence[ReadReport]) -> dict[str, Any]:
    """Counts and first faults of all files together."""
    counts = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("read", "blank", "undecodable", "malformed")
    }
    faults = [fault for report in reports for fault in report.faults]
    return {**counts, "faults": faults[:FAULTS_SHOWN]}
