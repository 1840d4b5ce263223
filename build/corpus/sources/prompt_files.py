"""Prompt files -> one table of their prompts, or batches with scores; and counts of the rows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from unprompt.build.corpus.sources.collection import FIRST, Captions
from unprompt.index.base.errors import CorpusError
from unprompt.index.base.progress import SILENT, Progress
from unprompt.index.captions.normalize import normalize
from unprompt.index.formats.nsfw_words import nsfw_number
from unprompt.index.formats.rows import choose_column
from unprompt.index.formats.tables import ACCEPTED, check_table_file, stream_table
from unprompt.index.formats.tally import BLANK, MALFORMED, Tally

RAW_PROMPTS = pl.Schema({"prompt": pl.String, "source": pl.String})


class PromptsRead(NamedTuple):
    """The prompts of all files, unchanged and in order, and the counts of their rows."""

    table: pl.DataFrame  # RAW_PROMPTS
    report: dict[str, Any]  # files, read, blank, undecodable, malformed, faults


class PromptFiles:
    """The batches (prompt, source, perhaps nsfw) of several files, the same at every iteration."""

    def __init__(
        self,
        paths: Sequence[Path],
        column: str | None = None,
        nsfw_column: str | None = None,
        progress: Progress = SILENT,
    ):
        """None as `nsfw_column` reads no scores. Raises CorpusError for a file it cannot read."""
        for path in paths:
            check_table_file(path)
        self._paths, self._column = list(paths), column
        self._nsfw_column, self._progress = nsfw_column, progress
        self.report: dict[str, Any] = {}  # filled by an iteration

    def __iter__(self) -> Iterator[pl.DataFrame]:
        tally = Tally()
        for path in self._progress.track(self._paths, "clean", len(self._paths)):
            yield from _batches(path, self._column, self._nsfw_column, tally)
        self.report = {"files": len(self._paths), **asdict(tally)}


def read_prompts(
    paths: Sequence[Path], column: str | None = None, captions: Captions = "all"
) -> PromptsRead:
    """Read every file by its suffix; raises CorpusError for a file without a prompt.

    Of a row with several texts all are taken, or the first one.
    """
    if not paths:
        raise CorpusError(f"no prompt file was named; {ACCEPTED}")
    tables, total = [], Tally()
    for path in paths:
        tally, parts = Tally(), [pl.DataFrame(schema=RAW_PROMPTS)]
        for batch in _batches(path, column, None, tally, captions):
            parts.append(batch.filter(pl.col("prompt").str.strip_chars().str.len_bytes() > 0))
            tally.drop(BLANK, batch.height - parts[-1].height)
        tables.append(pl.concat(parts))
        if tables[-1].is_empty():
            reason = tally.faults[0] if tally.faults else "every row is blank"
            raise CorpusError(f"{path} holds no prompt ({reason}); {ACCEPTED}")
        total.add(tally)
    table = pl.concat(tables)
    report = {
        "files": len(paths),
        "read": table.height,
        "blank": total.dropped.get(BLANK, 0),
        "undecodable": total.undecodable,
        "malformed": total.dropped.get(MALFORMED, 0),
        "faults": total.faults,
    }
    return PromptsRead(table, report)


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
    path: Path,
    column: str | None,
    nsfw_column: str | None,
    tally: Tally,
    captions: Captions = "all",
) -> Iterator[pl.DataFrame]:
    def pick(columns: Sequence[str], path: Path) -> list[str]:
        scores = [nsfw_column] if nsfw_column is not None and nsfw_column in columns else []
        return [choose_column(columns, column, path), *scores]

    for batch in stream_table(path, pick, tally, captions == FIRST):
        prompt, *scores = batch.columns
        columns = [pl.col(prompt).alias("prompt"), pl.lit(path.name).alias("source")]
        if nsfw_column is not None:
            score = pl.col(scores[0]) if scores else pl.lit(None, pl.Float64)
            columns.append(nsfw_number(score).alias("nsfw"))
        yield batch.select(columns)
