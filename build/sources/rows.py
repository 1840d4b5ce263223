"""What the reader of one prompt file hands back, and the choice of the column to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unprompt.index.errors import CorpusError

# Looked for in this order, in any case, where the user names no column.
PROMPT_COLUMNS = ("prompt", "caption", "text")


@dataclass
class PromptRows:
    """The rows of one file in order; None where a row has no prompt. A fault is a skipped row."""

    prompts: list[str | None] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def choose_column(columns: Sequence[str], wanted: str | None, path: Path) -> str:
    """The column of `path` that holds the prompts; raises CorpusError where none is meant."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    listed = ", ".join(columns) or "none"
    if wanted is not None:
        if wanted in columns:
            return wanted
        if wanted.lower() in by_name:
            return by_name[wanted.lower()]
        raise CorpusError(
            f"{path} has no column {wanted!r}; its columns are: {listed}; "
            "name one of them with `--column`"
        )
    for name in PROMPT_COLUMNS:
        if name in by_name:
            return by_name[name]
    if len(columns) == 1:
        return columns[0]
    raise CorpusError(
        f"{path} has no column named {', '.join(PROMPT_COLUMNS)}; its columns are: {listed}; "
        "name the one that holds the prompts with `--column`"
    )
