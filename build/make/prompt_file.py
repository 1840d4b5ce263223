"""Made prompts with their parents -> a prompt file that a corpus reads, and a record of it.

NAME.parquet | .jsonl | .txt   what `corpus.source: files` reads; a .txt holds only the prompts
NAME.record.parquet            beside a .txt: its rows with their parents
NAME.made.json                 settings and counts, written last: it marks a complete file
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from unprompt.index.base.durable import digest_json, read_json, write_atomically, write_json
from unprompt.index.base.errors import ConfigError
from unprompt.index.base.tables import check_schema, write_table
from unprompt.index.towers.clip_tokens import fits_clip

T = TypeVar("T")

MADE_PROMPTS = pl.Schema(
    {
        "prompt": pl.String(),
        "method": pl.String(),
        "parents": pl.List(pl.String()),  # captions, terms or examples that the prompt is made of
    }
)
SUFFIXES = (".parquet", ".jsonl", ".txt")


@dataclass(frozen=True)
class MadePrompts:
    """The result of a method: distinct prompts in order, and counts of what it left out."""

    table: pl.DataFrame  # MADE_PROMPTS, then the method's own columns
    report: Mapping[str, Any]


def new_prompts(
    candidates: Iterable[tuple[str, T]], max_tokens: int, left_out: Counter[str]
) -> Iterator[tuple[str, T]]:
    """Candidates (text, origin) whose text is new and within CLIP's limit; counts the others."""
    seen: set[str] = set()
    for text, origin in candidates:
        if text in seen:
            left_out["repeated"] += 1
        elif not fits_clip(text, max_tokens):
            left_out["too long"] += 1
        else:
            seen.add(text)
            yield text, origin


class PromptFile:
    """A file of made prompts, with the settings that made it."""

    def __init__(self, path: Path, overwrite: bool = False):
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"--output must end in one of {', '.join(SUFFIXES)}, got {path}")
        self.path, self._overwrite = path, overwrite

    @property
    def marker(self) -> Path:
        """The file that marks the prompts as complete."""
        return self.path.with_name(f"{self.path.stem}.made.json")

    def finished(self, settings: Mapping[str, Any]) -> dict[str, Any] | None:
        """The marker's content if these settings made the file, None if there is no file yet.

        Raises ConfigError if the path holds anything else, unless it may be overwritten.
        """
        if self._overwrite or not self.path.exists():
            return None
        if self.marker.is_file():
            found: dict[str, Any] = read_json(self.marker)
            if found.get("digest") == digest_json(settings) and found.get("file") == self.path.name:
                return found
        raise ConfigError(
            f"{self.path} exists and was made with other settings; choose another --output, or "
            "replace it with --overwrite"
        )

    def write(self, made: MadePrompts, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Write the prompts, then the marker; returns the marker's content."""
        table = pl.concat(
            [
                check_schema(made.table, MADE_PROMPTS, "the made prompts"),
                made.table.drop(list(MADE_PROMPTS)),
            ],
            how="horizontal",
        )
        self.marker.unlink(missing_ok=True)
        if self.path.suffix.lower() == ".parquet":
            write_table(self.path, table)
        elif self.path.suffix.lower() == ".jsonl":
            with write_atomically(self.path) as temporary:
                table.write_ndjson(temporary)
        else:
            write_table(self.path.with_name(f"{self.path.stem}.record.parquet"), table)
            with write_atomically(self.path) as temporary:
                text = "".join(f"{prompt}\n" for prompt in table["prompt"])
                temporary.write_text(text, encoding="utf-8")
        content = {
            "file": self.path.name,
            "prompts": table.height,
            "report": dict(made.report),
            "digest": digest_json(settings),
            "settings": dict(settings),
        }
        write_json(self.marker, content)
        return content
