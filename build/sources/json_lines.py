"""A file with a JSON value a line (.jsonl, .ndjson) -> the rows of one key, or of plain strings."""

import json
from pathlib import Path
from typing import Any

from unprompt.build.sources.rows import PromptRows, choose_column
from unprompt.build.sources.text import open_text


def read_json_lines(path: Path, column: str | None = None) -> PromptRows:
    """One key of each object; a line that is broken or lacks the key is skipped as a fault.

    The first object decides which key is read where `column` is None.
    """
    rows = PromptRows()
    key: str | None = None
    with open_text(path) as handle:
        for line, text in enumerate(handle, start=1):
            if not text.strip():
                rows.prompts.append(None)
                continue
            try:
                value: Any = json.loads(text)
            except (ValueError, RecursionError) as error:
                rows.faults.append(f"{path}:{line}: not valid JSON ({error})")
                continue
            if isinstance(value, dict):
                key = key or choose_column(list(value), column, path)
                value = value.get(key, _Missing)
            if value is None or isinstance(value, str):
                rows.prompts.append(value)
            elif value is _Missing:
                rows.faults.append(f"{path}:{line}: no key {key!r}")
            else:
                rows.faults.append(f"{path}:{line}: wanted a string, got {type(value).__name__}")
    return rows


class _Missing:
    """Stands for a key that is not there, which null is not."""
