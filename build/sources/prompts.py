"""Prompt files -> one table with the columns prompt and source, and a report of what was left."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from unprompt.build.sources.json_lines import read_json_lines
from unprompt.build.sources.parquet import read_parquet
from unprompt.build.sources.rows import PromptRows
from unprompt.build.sources.tabular import read_tabular
from unprompt.build.sources.text import read_text
from unprompt.index.errors import CorpusError

READERS: dict[str, Callable[[Path, str | None], PromptRows]] = {
    ".txt": read_text,
    ".csv": read_tabular,
    ".tsv": read_tabular,
    ".parquet": read_parquet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
ACCEPTED = f"accepted are {', '.join(READERS)}"
RAW_PROMPTS = pl.Schema({"prompt": pl.String, "source": pl.String})
FAULTS_SHOWN = 10
_UNDECODED = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ReadReport:
    """Counts of rows over all files, and the first faults as `file:line: reason`."""

    files: int
    read: int  # rows in the table
    blank: int  # rows without a prompt, left out
    undecodable: int  # rows in the table with bytes that were not UTF-8, replaced by U+FFFD
    malformed: int  # rows that could not be read, left out
    faults: tuple[str, ...]


@dataclass(frozen=True)
class PromptsRead:
    """The prompts as written in the files, in order, and the report."""

    table: pl.DataFrame
    report: ReadReport


def read_prompts(paths: Sequence[Path], column: str | None = None) -> PromptsRead:
    """Read every file by its suffix; raises CorpusError for a file that gives no prompt."""
    if not paths:
        raise CorpusError(f"no prompt file was named; {ACCEPTED}")
    tables: list[pl.DataFrame] = []
    faults: list[str] = []
    blank = undecodable = 0
    for path in paths:
        rows = _read_file(path, column)
        prompts = [prompt for prompt in rows.prompts if prompt is not None and prompt.strip()]
        if not prompts:
            reason = rows.faults[0] if rows.faults else "every row is blank"
            raise CorpusError(f"{path} holds no prompt ({reason}); {ACCEPTED}")
        mended = [_UNDECODED.sub("\ufffd", prompt) for prompt in prompts]
        undecodable += sum(a != b for a, b in zip(prompts, mended, strict=True))
        blank += len(rows.prompts) - len(prompts)
        faults += rows.faults
        tables.append(
            pl.DataFrame(
                {"prompt": mended, "source": [path.name] * len(mended)}, schema=RAW_PROMPTS
            )
        )
    table = pl.concat(tables)
    report = ReadReport(
        files=len(paths),
        read=table.height,
        blank=blank,
        undecodable=undecodable,
        malformed=len(faults),
        faults=tuple(faults[:FAULTS_SHOWN]),
    )
    return PromptsRead(table, report)


def _read_file(path: Path, column: str | None) -> PromptRows:
    reader = READERS.get(path.suffix.lower())
    if path.is_dir():
        raise CorpusError(f"{path} is a folder, wanted a prompt file; {ACCEPTED}")
    if not path.exists():
        raise CorpusError(f"there is no prompt file {path}; {ACCEPTED}")
    if reader is None:
        raise CorpusError(f"{path} has the unknown suffix {path.suffix!r}; {ACCEPTED}")
    try:
        if path.stat().st_size == 0:
            raise CorpusError(f"{path} is empty; {ACCEPTED}")
        return reader(path, column)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error
