"""Prompt files -> one table with the columns prompt and source, and counts of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unprompt.build.corpus.formats.rows import pick_prompt
from unprompt.build.corpus.formats.tables import ACCEPTED, stream_table
from unprompt.build.corpus.formats.tally import BLANK, MALFORMED, Tally
from unprompt.index.base.errors import CorpusError

RAW_PROMPTS = pl.Schema({"prompt": pl.String, "source": pl.String})


@dataclass(frozen=True)
class ReadReport:
    """Counts of rows over all files, and the first faults as `file:line: reason`."""

    files: int
    read: int  # rows in the table
    blank: int  # dropped rows without a prompt
    undecodable: int  # rows in the table with invalid UTF-8, replaced by U+FFFD
    malformed: int  # dropped rows that could not be read
    faults: tuple[str, ...]


@dataclass(frozen=True)
class PromptsRead:
    """The prompts of all files, unchanged and in order, and the report."""

    table: pl.DataFrame
    report: ReadReport


def read_prompts(paths: Sequence[Path], column: str | None = None) -> PromptsRead:
    """Read every file by its suffix; raises CorpusError for a file without a prompt."""
    if not paths:
        raise CorpusError(f"no prompt file was named; {ACCEPTED}")
    tables: list[pl.DataFrame] = []
    whole = Tally()
    for path in paths:
        tally = Tally()
        found = [
            _without_blanks(batch, tally)
            for batch in stream_table(path, pick_prompt(column), tally)
        ]
        table = pl.concat(found) if found else pl.DataFrame()
        if table.is_empty():
            reason = tally.faults[0] if tally.faults else "every row is blank"
            raise CorpusError(f"{path} holds no prompt ({reason}); {ACCEPTED}")
        tables.append(table.select("prompt", pl.lit(path.name).alias("source")))
        whole.add(tally)
    table = pl.concat(tables).match_to_schema(RAW_PROMPTS)
    report = ReadReport(
        files=len(paths),
        read=table.height,
        blank=whole.dropped.get(BLANK, 0),
        undecodable=whole.undecodable,
        malformed=whole.dropped.get(MALFORMED, 0),
        faults=tuple(whole.faults),
    )
    return PromptsRead(table, report)


def _without_blanks(batch: pl.DataFrame, tally: Tally) -> pl.DataFrame:
    prompt = pl.col(batch.columns[0])
    kept = batch.select(prompt.alias("prompt")).filter(
        pl.col("prompt").str.strip_chars().str.len_bytes() > 0
    )
    tally.drop(BLANK, batch.height - kept.height)
    return kept
