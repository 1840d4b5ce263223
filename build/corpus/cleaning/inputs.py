"""Prompt files -> batches with the columns prompt, source and, if requested, nsfw."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from unprompt.build.corpus.cleaning.normalize import normalize
from unprompt.build.corpus.formats.rows import choose_column
from unprompt.build.corpus.formats.tables import ACCEPTED, READERS, stream_table, table_suffix
from unprompt.build.corpus.formats.tally import Tally
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.progress import SILENT, Progress


class PromptFiles:
    """The batches of several files; every iteration gives the same batches."""

    def __init__(
        self,
        paths: Sequence[Path],
        column: str | None = None,
        nsfw_column: str | None = None,
        progress: Progress = SILENT,
    ):
        """None as `nsfw_column` reads no scores. Raises CorpusError for a file it cannot read."""
        for path in paths:
            if not path.is_file() or table_suffix(path) not in READERS:
                wanted = "a prompt file" if path.exists() else "a file that exists"
                raise CorpusError(f"{path}: wanted {wanted}; {ACCEPTED}")
        self._paths, self._column = list(paths), column
        self._nsfw_column, self._progress = nsfw_column, progress
        self.report: dict[str, Any] = {}  # filled by an iteration

    def __iter__(self) -> Iterator[pl.DataFrame]:
        tally = Tally()
        for path in self._progress.track(self._paths, "clean", len(self._paths)):
            yield from _batches(path, self._column, self._nsfw_column, tally)
        self.report = {"files": len(self._paths), **asdict(tally)}


def read_nsfw(paths: Sequence[Path], column: str | None, nsfw_column: str) -> pl.DataFrame:
    """The highest score of each prompt in files with the column: a table prompt, nsfw."""
    parts = [pl.DataFrame(schema={"prompt": pl.String, "nsfw": pl.Float64})]
    for path in paths:
        parts += [
            batch.select(normalize(batch["prompt"]).alias("prompt"), "nsfw")
            for batch in _batches(path, column, nsfw_column, Tally())
        ]
    scored = pl.concat(parts).drop_nulls()
    return scored.group_by("prompt").agg(pl.col("nsfw").max())


def _batches(
    path: Path, column: str | None, nsfw_column: str | None, tally: Tally
) -> Iterator[pl.DataFrame]:
    def pick(columns: Sequence[str], path: Path) -> list[str]:
        scores = [nsfw_column] if nsfw_column is not None and nsfw_column in columns else []
        return [choose_column(columns, column, path), *scores]

    for batch in stream_table(path, pick, tally):
        prompt, *scores = batch.columns
        columns = [pl.col(prompt).alias("prompt"), pl.lit(path.name).alias("source")]
        if nsfw_column is not None:
            score = pl.col(scores[0]) if scores else pl.lit(None)
            columns.append(score.cast(pl.Float64, strict=False).alias("nsfw"))
        yield batch.select(columns)
